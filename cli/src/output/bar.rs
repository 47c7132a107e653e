//! Bars of characters: how much of a whole is done.

/// A bar of this many characters, such as `███░░░░░`. It is full only when everything is done, and not empty once
/// something is.
pub fn of(done: u64, whole: u64, width: usize) -> String {
    let full = match (done, whole) {
        (0, _) | (_, 0) => 0,
        (done, whole) if done >= whole => width,
        (done, whole) => {
            let share = u128::from(done) * width as u128 / u128::from(whole);
            usize::try_from(share)
                .unwrap_or(width)
                .max(1)
                .min(width.saturating_sub(1))
        }
    };
    let bar = (0..width).map(|place| if place < full { '█' } else { '░' });
    bar.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_full_at_the_end_alone_and_shows_a_beginning() {
        let bars = [
            (0, 9),
            (1, 1_000),
            (500, 1_000),
            (999, 1_000),
            (3, 3),
            (0, 0),
            (u64::MAX, u64::MAX),
        ];
        assert_eq!(
            bars.map(|(done, whole)| of(done, whole, 4)),
            ["░░░░", "█░░░", "██░░", "███░", "████", "░░░░", "████"]
        );
    }
}
