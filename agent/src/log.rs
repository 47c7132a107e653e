//! Where log lines go, which there are, and how they look.

use std::io::{IsTerminal as _, stderr};

use tracing_subscriber::EnvFilter;

use crate::{
    EXIT_USAGE, Fault,
    program::config::{Config, LEVELS, LogFormat},
};

/// Logs to standard error from now on.
pub(crate) fn start(config: &Config) -> Result<(), Fault> {
    let level = config.log_level.as_str();
    let directives = if LEVELS.contains(&level) {
        // The libraries below have much to say that helps nobody here.
        let libraries = if matches!(level, "off" | "error") {
            level
        } else {
            "warn"
        };
        format!("{libraries},swarm_agent={level}")
    } else {
        level.to_owned()
    };
    let filter = EnvFilter::try_new(&directives).map_err(|error| {
        Fault::new(EXIT_USAGE, format!("cannot use --log-level '{level}': {error}")).help(format!(
            "write one of {}, or directives such as warn,swarm_agent=debug",
            LEVELS.join(", ")
        ))
    })?;
    let colour = stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(colour)
        .with_writer(stderr);
    // A second program in the same process logs into the first one's log.
    let _ = match config.log_format {
        LogFormat::Text => lines.with_target(false).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).with_target(false).try_init(),
    };
    Ok(())
}
