//! Where log lines go, which there are, and how they look.

use std::{
    io::{IsTerminal as _, stderr},
    sync::atomic::{AtomicBool, Ordering},
};

use tracing_subscriber::EnvFilter;

use crate::{
    config::{Config, LogFormat},
    failure::{Exit, Failure},
};

/// Whether lines are JSON.
static IS_JSON: AtomicBool = AtomicBool::new(false);

/// Whether whoever reads the log line by line expects JSON, and errors are among the lines.
pub(crate) fn is_read_by_programs() -> bool {
    IS_JSON.load(Ordering::Relaxed) && tracing::enabled!(tracing::Level::ERROR)
}

/// Logs to standard error from now on.
///
/// # Errors
///
/// When the level is no filter.
pub(crate) fn start(config: &Config) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(directives(&config.log_level)).map_err(|error| {
        Failure::new(
            Exit::Configuration,
            format!("'{}' is not a log level: {error}", config.log_level),
            "write --log-level info, or debug, warn, error",
        )
    })?;
    IS_JSON.store(config.log_format == LogFormat::Json, Ordering::Relaxed);
    let colour = stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(colour)
        .with_writer(stderr);
    // A second program in one process keeps the first one's log.
    let _ = match config.log_format {
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
