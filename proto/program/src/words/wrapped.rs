//! Sentences broken into lines between words, for narrow terminals.

/// The least width of broken text, in characters; a narrower terminal breaks it again.
const LEAST_WIDTH: usize = 20;

/// The text behind `first`, with further lines indented as far. Without a width the text stays on one line.
pub fn wrapped(first: &str, text: &str, terminal: Option<usize>) -> String {
    let indent = first.chars().count();
    let room = terminal.map_or(usize::MAX, |width| width.saturating_sub(indent).max(LEAST_WIDTH));
    let mut lines = first.to_owned();
    let mut used = 0;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if used > 0 && used + 1 + length > room {
            lines.push('\n');
            lines.push_str(&" ".repeat(indent));
            used = 0;
        } else if used > 0 {
            lines.push(' ');
            used += 1;
        }
        lines.push_str(word);
        used += length;
    }
    lines.push('\n');
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_between_words_and_only_where_they_have_to_be() {
        let text = "waits for fetch, which has failed three times on lab";
        assert_eq!(wrapped("  - ", text, None), format!("  - {text}\n"));
        assert_eq!(
            wrapped("  - ", text, Some(40)),
            "  - waits for fetch, which has failed\n    three times on lab\n"
        );
        assert_eq!(wrapped("", "", Some(40)), "\n");
        let long = "x".repeat(90);
        assert_eq!(
            wrapped("", &format!("a {long} b"), Some(30)),
            format!("a\n{long}\nb\n")
        );
    }
}
