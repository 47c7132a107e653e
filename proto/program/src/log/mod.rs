//! The log of a coordinator or an agent: where its lines go, how many there are, and how they look.
//!
//! A reader that is slow, stuck or gone never changes what the program does: see `lines`.

mod layout;
mod lines;

use std::{
    io::{self, IsTerminal as _, Write, stderr},
    sync::OnceLock,
    time::Duration,
};

use clap::ValueEnum;
use swarm_proto::json;
use tracing_subscriber::EnvFilter;

use crate::failure::tell_as_json;
use lines::Lines;

/// The time for a reader to take the last lines of a program that ends.
const LAST_LINES: Duration = Duration::from_secs(1);

/// The lines to standard error, once the log has started.
static LINES: OnceLock<Lines> = OnceLock::new();

/// The levels.
pub const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The level or filter of `tracing` that a text means, in capitals and in the words of other programs too. A single
/// word has to be a level: as a filter it would be the name of a module, and nothing would be logged.
pub fn level(text: &str) -> Option<String> {
    if text.contains('=') {
        return Some(text.to_owned());
    }
    let word = text.to_ascii_lowercase();
    let level = match word.as_str() {
        "warning" => "warn",
        "critical" | "fatal" => "error",
        word => word,
    };
    LEVELS.contains(&level).then(|| level.to_owned())
}

/// Logs to standard error from now on. `level` is a level alone, which is about the lines of the crate `own`, or a
/// filter of `tracing`.
///
/// # Errors
///
/// What is wrong with the filter, or that the machine has no more threads.
pub fn start(own: &str, level: &str, format: LogFormat) -> Result<(), String> {
    let filter = EnvFilter::try_new(directives(own, level)).map_err(|error| error.to_string())?;
    tell_as_json(format == LogFormat::Json);
    if LINES.get().is_none() {
        let lines = Lines::start("log", stderr(), tell_lost)
            .map_err(|error| format!("cannot start the thread of the log: {error}"))?;
        let _ = LINES.set(lines);
    }
    let colour = stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(colour)
        // The library would write about a failure to standard error itself.
        .log_internal_errors(false)
        .with_writer(move || Line { format });
    // A second program in one process keeps the first one's log.
    let _ = match format {
        LogFormat::Text if is_short(level) => lines.event_format(layout::Short).try_init(),
        LogFormat::Text => lines.fmt_fields(layout::fields()).with_target(false).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).with_target(false).try_init(),
    };
    Ok(())
}

/// Whether the lines are for people alone: who wants to see more wants to see all.
fn is_short(level: &str) -> bool {
    ["off", "error", "warn", "info"].contains(&level)
}

/// Writes text for people to standard error, among the log's lines.
pub(crate) fn say(text: &str) {
    match LINES.get() {
        Some(lines) => lines.push(&format!("{text}\n")),
        // The log has not started. A closed standard error cannot be told about.
        None => {
            let _ = writeln!(stderr(), "{text}");
        }
    }
}

/// Waits until the last lines are taken: for a program that ends, in whatever way.
pub fn flush() {
    if let Some(lines) = LINES.get() {
        lines.flush(LAST_LINES);
    }
}

fn tell_lost(count: u64) {
    let lines = if count == 1 { "line is" } else { "lines are" };
    tracing::error!("{count} {lines} missing from this log: nobody took them in time");
}

/// Takes one line from the library.
struct Line {
    format: LogFormat,
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        if let Some(lines) = LINES.get() {
            match self.format {
                LogFormat::Text => lines.push(&text),
                LogFormat::Json => lines.push(&json::escape(&text)),
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A peer can have these libraries warn as often as it likes, and nobody here can do anything about it.
const TRANSPORT: &str = "h2=error,hyper=error,hyper_util=error,tonic=error";

/// A level alone is about our own lines: the libraries below have much to say that helps nobody here. A filter does
/// not hide the failure with which a program ends.
fn directives(own: &str, level: &str) -> String {
    match level {
        "info" | "debug" | "trace" => format!("warn,{TRANSPORT},{own}={level}"),
        "warn" => format!("warn,{TRANSPORT}"),
        "off" | "error" => level.to_owned(),
        filter => format!("{filter},swarm_program=error"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_may_have_the_words_of_other_programs() {
        for (text, expected) in [
            ("debug", Some("debug")),
            ("DEBUG", Some("debug")),
            ("WARNING", Some("warn")),
            ("Critical", Some("error")),
            ("h2=Debug", Some("h2=Debug")),
            ("loud", None),
        ] {
            assert_eq!(level(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_level_is_about_our_own_lines_and_a_filter_hides_no_failure() {
        assert_eq!(
            directives("ours", "debug"),
            format!("warn,{TRANSPORT},ours=debug")
        );
        assert_eq!(directives("ours", "warn"), format!("warn,{TRANSPORT}"));
        for level in ["off", "error"] {
            assert_eq!(directives("ours", level), level);
        }
        assert_eq!(directives("ours", "h2=debug"), "h2=debug,swarm_program=error");
    }
}
