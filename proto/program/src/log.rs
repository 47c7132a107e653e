//! The log of a coordinator or an agent: where its lines go, how many there are, and how they look.

use std::io::{IsTerminal as _, stderr};

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

use crate::failure::tell_as_json;

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

/// Whether a text may be a level or a filter of `tracing`. A single word has to be a level: as a filter it would be
/// the name of a module, and nothing would be logged.
pub fn is_level(text: &str) -> bool {
    LEVELS.contains(&text) || text.contains('=')
}

/// Logs to standard error from now on. `level` is a level alone, which is about the lines of the crate `own`, or a
/// filter of `tracing`.
///
/// # Errors
///
/// What is wrong with the filter.
pub fn start(own: &str, level: &str, format: LogFormat) -> Result<(), String> {
    let filter = EnvFilter::try_new(directives(own, level)).map_err(|error| error.to_string())?;
    tell_as_json(format == LogFormat::Json);
    let colour = stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(colour)
        .with_writer(stderr);
    // A second program in one process keeps the first one's log.
    let _ = match format {
        LogFormat::Text => lines.with_target(false).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).with_target(false).try_init(),
    };
    Ok(())
}

/// A level alone is about our own lines: the libraries below have much to say that helps nobody here. A filter does
/// not hide the failure with which a program ends.
fn directives(own: &str, level: &str) -> String {
    match level {
        "info" | "debug" | "trace" => format!("warn,{own}={level}"),
        "off" | "error" | "warn" => level.to_owned(),
        filter => format!("{filter},swarm_program=error"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_about_our_own_lines_and_a_filter_hides_no_failure() {
        assert_eq!(directives("ours", "debug"), "warn,ours=debug");
        for level in ["off", "error", "warn"] {
            assert_eq!(directives("ours", level), level);
        }
        assert_eq!(directives("ours", "h2=debug"), "h2=debug,swarm_program=error");
    }
}
