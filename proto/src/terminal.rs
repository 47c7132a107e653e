//! What steers a terminal: no program of ours passes it on from somebody else.

/// Whether a character steers a terminal, or hides or reorders the text around it: control characters, line ends
/// included, directions of writing, and format characters that nobody sees.
pub fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}'
            | '\u{61c}'
            | '\u{200b}'
            // What joins letters and emoji, U+200C and U+200D, stays.
            | '\u{200e}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}')
}

/// The text on one line, with a space in place of each such character: what a peer says is a part of our sentences.
pub fn one_line(text: &str) -> String {
    text.chars().map(|c| if steers(c) { ' ' } else { c }).collect()
}
