//! How a log line looks. Whatever stands in it comes from somewhere else, perhaps from a stranger: nothing in it ends
//! the line or steers a terminal.

use std::fmt::{self, Write};

use swarm_proto::terminal::steers;
use tracing_subscriber::{
    field::MakeExt as _,
    fmt::format::{FormatFields, Writer, debug_fn},
};

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
}
