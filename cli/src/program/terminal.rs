//! Stdout, stderr and the terminal behind them: notes to people and output of tasks, without what steers a terminal.

use std::{
    io::{self, IsTerminal as _, Write as _},
    os::fd::AsFd,
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use anstream::{AutoStream, ColorChoice, stream::RawStream};
use anstyle::Style;
use swarm_program::words::clean::{clean, clean_line};

use super::globals::Format;

/// For whom this call prints: a person, or a program.
static FORMAT: OnceLock<Format> = OnceLock::new();

/// Remembers for whom this call prints.
pub(crate) fn speak_as(format: Format) {
    // Set once, before any verb runs.
    let _ = FORMAT.set(format);
}

/// Whether a program reads JSON of this call.
pub(crate) fn speaks_json() -> bool {
    matches!(FORMAT.get(), Some(Format::Json | Format::Jsonl))
}

/// Whether somebody follows what happens, and is told it in every format.
static IS_FOLLOWED: AtomicBool = AtomicBool::new(false);

/// From now on somebody follows what happens.
pub(crate) fn follow() {
    IS_FOLLOWED.store(true, Ordering::Relaxed);
}

/// Whether nothing is told but what went wrong: ids only were asked for.
pub(crate) fn is_silent() -> bool {
    FORMAT.get() == Some(&Format::Name) && !IS_FOLLOWED.load(Ordering::Relaxed)
}

/// Whether a person sees what is told.
pub(crate) fn is_watched() -> bool {
    io::stderr().is_terminal() && !is_silent()
}

/// Tells a person something in one line on stderr; stdout belongs to scripts.
pub fn note(line: impl AsRef<str>) {
    notes(clean_line(line.as_ref()));
}

/// Tells a person something in lines of ours: text from outside has none.
pub fn notes(lines: impl AsRef<str>) {
    if !is_silent() {
        faults(lines);
    }
}

/// Tells in one line what went wrong, whatever the format.
pub fn fault(line: impl AsRef<str>) {
    faults(clean_line(line.as_ref()));
}

/// Tells in lines of ours what went wrong, whatever the format.
pub fn faults(lines: impl AsRef<str>) {
    // A closed stderr is no reason to stop working.
    let _ = writeln!(io::stderr().lock(), "{}", clean(lines.as_ref()));
}

/// Tells a person what to type next or where more is, faintly on a terminal. Nothing where a program reads the answer.
pub fn hint(line: impl AsRef<str>) {
    if FORMAT.get().is_some_and(|format| !format.is_for_people()) {
        return;
    }
    let line = clean_line(line.as_ref());
    let _ = match is_colored(&io::stderr()) {
        true => {
            let faint = Style::new().dimmed();
            writeln!(io::stderr().lock(), "{faint}{line}{faint:#}")
        }
        false => writeln!(io::stderr().lock(), "{line}"),
    };
}

/// Writes clean text to stderr; failing to write it is no error.
pub fn write_stderr(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Whether a stream gets colours: it is a terminal, unless a flag or variable says otherwise.
pub fn is_colored(stream: &impl RawStream) -> bool {
    AutoStream::choice(stream) != ColorChoice::Never
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
    terminal_size(stream).map(|(width, _)| width)
}

/// The terminal's width and height in characters; `None` when the stream is no terminal or does not tell.
pub fn terminal_size(stream: impl AsFd) -> Option<(usize, usize)> {
    let size = terminal_size::terminal_size_of(stream);
    size.map(|(width, height)| (usize::from(width.0), usize::from(height.0)))
}
