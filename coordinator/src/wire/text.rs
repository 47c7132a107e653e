//! Text that came from others, made fit to be shown: one line, no control characters, not too long.

use crate::program::limits::MAX_QUOTED_BYTES;

/// The text in one line of at most about `max` bytes. What a terminal would obey is escaped.
pub(crate) fn plain(text: &str, max: usize) -> String {
    let mut line = String::with_capacity(text.len().min(max));
    for c in text.chars() {
        if line.len() >= max {
            line.push('…');
            break;
        }
        match c {
            // Harmless, although Rust's own escapes include them.
            '"' | '\'' | '\\' => line.push(c),
            _ => line.extend(c.escape_debug()),
        }
    }
    line
}

/// The beginning of a caller's text in quotes, for a message that gives it back.
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", plain(text, MAX_QUOTED_BYTES))
}

/// At most `max` bytes of the text, cut between characters.
pub(crate) fn cut(text: &str, max: usize) -> &str {
    &text[..text.floor_char_boundary(max)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_never_told_what_to_do() {
        for (text, expected) in [
            ("it's \"fine\", C:\\x, ä", "it's \"fine\", C:\\x, ä"),
            ("two\nlines\r\n", "two\\nlines\\r\\n"),
            ("\u{1b}[2J", "\\u{1b}[2J"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("a\u{202e}b", "a\\u{202e}b"),
            ("\0", "\\0"),
        ] {
            assert_eq!(plain(text, 100), expected);
            assert!(!plain(text, 100).contains(char::is_control));
        }
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        assert_eq!(cut("aä", 2), "a");
        assert_eq!(cut("aä", 3), "aä");
        assert_eq!(plain("ääää", 4), "ää…");
        assert!(quoted(&"x".repeat(10_000)).len() < 80);
    }
}
