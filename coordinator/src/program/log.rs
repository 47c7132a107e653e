//! Where log lines go, which there are, and how they look.

use std::io::{IsTerminal as _, stderr};

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

use super::failure::{Exit, Failure, tell_as_json};

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Logs to standard error from now on. `level` is a level alone, or a filter of `tracing`.
///
/// # Errors
///
/// When the level is neither.
pub(crate) fn start(level: &str, format: LogFormat) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(directives(level)).map_err(|error| {
        Failure::new(
            Exit::Configuration,
            format!("'{level}' is not a log level: {error}"),
            "write --log-level info, or debug, warn, error",
        )
    })?;
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

/// A level alone is about our own lines: the libraries below have much to say that helps nobody here.
fn directives(level: &str) -> String {
    match level {
        "info" | "debug" | "trace" => format!("warn,swarm_coordinator={level}"),
        other => other.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_about_our_own_lines_and_a_filter_is_taken_as_it_is() {
        assert_eq!(directives("debug"), "warn,swarm_coordinator=debug");
        for level in ["off", "error", "warn", "info,h2=debug"] {
            assert_eq!(directives(level), level);
        }
    }
}
