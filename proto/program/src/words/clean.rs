//! Text from outside, without what steers a terminal.

use swarm_proto::terminal::steers;

/// Removes control characters and sequences, except line ends and tabs: text from outside must not steer a terminal.
///
/// A colour or cursor sequence is removed whole. Of any other sequence only the control characters are, so that it
/// cannot hide text.
pub fn clean(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '\n' | '\t' => cleaned.push(c),
            '\u{1b}' => {
                if let Some(after) = after_sequence(rest.as_str()) {
                    rest = after.chars();
                }
            }
            c if steers(c) => {}
            c => cleaned.push(c),
        }
    }
    cleaned
}

/// Like [`clean`], on one line: line ends and tabs become spaces.
pub fn clean_line(text: &str) -> String {
    clean(text).replace(['\n', '\t'], " ")
}

/// The text after a well-formed `[…letter` control sequence of at most 32 characters.
fn after_sequence(text: &str) -> Option<&str> {
    let body = text.strip_prefix('[')?;
    let end = body
        .bytes()
        .take(32)
        .position(|byte| !(0x20..=0x3f).contains(&byte))?;
    (0x40..=0x7e)
        .contains(&body.as_bytes()[end])
        .then(|| &body[end + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_steers_a_terminal_is_left() {
        for (dirty, expected) in [
            ("plain\ttext\n", "plain\ttext\n"),
            ("\u{1b}[31mred\u{1b}[0m", "red"),
            ("\u{1b}]0;title\u{7}after", "]0;titleafter"),
            ("\u{1b}[2J\u{1b}[Hgone", "gone"),
            ("\u{9b}31mred", "31mred"),
            ("over\rwritten\u{8}", "overwritten"),
            (
                "\u{1b}[999999999999999999999999999999999999mx",
                "[999999999999999999999999999999999999mx",
            ),
            ("\u{1b}", ""),
            ("\u{1b}[", "["),
            ("a\u{202e}b", "ab"),
            ("a\u{200f}\u{2028}\u{feff}b", "ab"),
            ("naïve ✔ 👩\u{200d}🚀", "naïve ✔ 👩\u{200d}🚀"),
        ] {
            assert_eq!(clean(dirty), expected, "{dirty:?}");
        }
    }
}
