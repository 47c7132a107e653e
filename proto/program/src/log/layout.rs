//! How a log line looks. Whatever stands in it comes from somewhere else, perhaps from a stranger: nothing in it ends
//! the line or steers a terminal.

use std::fmt::{self, Write};

use tracing_subscriber::{
    field::MakeExt as _,
    fmt::format::{FormatFields, Writer, debug_fn},
};

use crate::words::clean::steers;

const ITALIC: &str = "\u{1b}[3m";
const DIMMED: &str = "\u{1b}[2m";
const PLAIN: &str = "\u{1b}[0m";

/// The message and `name=value` of each field, for people.
pub(super) fn fields() -> impl for<'writer> FormatFields<'writer> + 'static {
    debug_fn(|writer: &mut Writer<'_>, field, value| {
        match (field.name(), writer.has_ansi_escapes()) {
            ("message", _) => {}
            (name, true) => write!(writer, "{ITALIC}{name}{PLAIN}{DIMMED}={PLAIN}")?,
            (name, false) => write!(writer, "{name}=")?,
        }
        write!(Escaping(writer), "{value:?}")
    })
    .delimited(" ")
}

/// Writes what steers a terminal as Rust does in a text: a line end is `\n`, and ESC is `\u{1b}`.
struct Escaping<W>(W);

impl<W: Write> Write for Escaping<W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(at) = rest.find(steers) {
            let (before, after) = rest.split_at(at);
            self.0.write_str(before)?;
            let mut chars = after.chars();
            if let Some(c) = chars.next() {
                write!(self.0, "{}", c.escape_default())?;
            }
            rest = chars.as_str();
        }
        self.0.write_str(rest)
    }
}

/// A line of JSON, its end included, with what steers a terminal as JSON's own escapes. All of it stands within texts,
/// for the writer of JSON escapes line ends itself.
pub(super) fn json(line: &str) -> String {
    let mut escaped = String::with_capacity(line.len());
    for c in line.chars() {
        if c != '\n' && steers(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        } else {
            escaped.push(c);
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_is_shown_and_not_done() {
        let mut shown = String::new();
        write!(
            Escaping(&mut shown),
            "a\nb\r\u{1b}[31m\u{7}\u{9b}\u{202e}c é ✔ \\n"
        )
        .unwrap();
        assert_eq!(shown, r"a\nb\r\u{1b}[31m\u{7}\u{9b}\u{202e}c é ✔ \n");
    }

    #[test]
    fn json_is_the_same_value_without_such_characters() {
        let text = "a\nb\u{1b}\u{7f}\u{9b}\u{202e}\u{e0041}é";
        let line = format!("{}\n", serde_json::json!({ "message": text }));
        let escaped = json(&line);
        assert!(
            escaped.trim_end().chars().all(|c| !steers(c)) && escaped.ends_with("}\n"),
            "{escaped}"
        );
        let value: serde_json::Value = serde_json::from_str(&escaped).unwrap();
        assert_eq!(value["message"], text);
    }
}
