//! Where an output begins that was cut: with a whole line, if one begins in what is kept.

/// The beginning of the first whole line in `kept`, the end of a stream whose byte `before` it is cut off. It is 0 when
/// no line begins there.
pub fn first_line(before: u8, kept: &[u8]) -> usize {
    if before == b'\n' {
        return 0;
    }
    let last = kept.len().saturating_sub(1);
    let end = kept[..last].iter().position(|byte| *byte == b'\n');
    end.map_or(0, |end| end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_output_begins_with_a_line_if_one_begins_in_it() {
        for (before, kept, expected) in [
            (b'x', &b"78\n79\n80\n"[..], &b"79\n80\n"[..]),
            (b'\n', b"78\n79\n", b"78\n79\n"),
            (b'x', b"no line begins here\n", b"no line begins here\n"),
            (b'x', b"end\nof a line", b"of a line"),
            (b'x', b"\n\n", b"\n"),
            (b'x', b"", b""),
        ] {
            assert_eq!(&kept[first_line(before, kept)..], expected, "{before} {kept:?}");
        }
    }
}
