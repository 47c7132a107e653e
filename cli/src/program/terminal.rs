//! Stdout, stderr and the terminal behind them: notes to people, output of tasks, and the cleaning of both.

use std::{
    io::{self, IsTerminal as _, Write as _},
    os::fd::AsFd,
};

/// Tells a person something on stderr; stdout belongs to scripts.
pub fn note(text: impl AsRef<str>) {
    // A closed stderr is no reason to stop working.
    let _ = writeln!(io::stderr().lock(), "{}", clean(text.as_ref()));
}

/// Prints a task's stdout: unchanged into a file or pipe, cleaned on a terminal.
///
/// # Errors
///
/// When stdout cannot be written.
pub fn task_stdout(bytes: &[u8]) -> io::Result<()> {
    if io::stdout().is_terminal() {
        write_stdout(clean(&String::from_utf8_lossy(bytes)).as_bytes())
    } else {
        write_stdout(bytes)
    }
}

/// Prints a task's stderr, like `task_stdout`; failing to write it is no error.
pub fn task_stderr(bytes: &[u8]) {
    let mut stderr = io::stderr().lock();
    let cleaned;
    let shown = if stderr.is_terminal() {
        cleaned = clean(&String::from_utf8_lossy(bytes));
        cleaned.as_bytes()
    } else {
        bytes
    };
    let _ = stderr.write_all(shown).and_then(|()| stderr.flush());
}

/// Writes to stdout and flushes. The error keeps its kind, because a closed pipe is no failure.
///
/// # Errors
///
/// When stdout cannot be written.
pub fn write_stdout(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(bytes).and_then(|()| stdout.flush());
    written.map_err(|error| io::Error::new(error.kind(), format!("cannot write to standard output: {error}")))
}

/// The terminal's width in columns; `None` when the stream is no terminal or does not tell.
pub fn terminal_width(stream: impl AsFd) -> Option<usize> {
    terminal_size::terminal_size_of(stream).map(|(width, _)| usize::from(width.0))
}

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
            c if c.is_control() || is_bidi_control(c) => {}
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

/// Characters that reorder the text around them on the screen.
fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
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
            ("naïve ✔", "naïve ✔"),
        ] {
            assert_eq!(clean(dirty), expected, "{dirty:?}");
        }
    }
}
