//! Variables of other programs that mean settings of ours: they are read from the environment and converted.

use crate::log;

/// The step of the idle sleep of the programs that Swarm replaces: after `n` empty rounds they sleep `1 + n` steps.
const STEP_SECONDS: f64 = 2.0;

/// A variable with the setting that it means.
pub(crate) struct Alias {
    /// The variable.
    pub(crate) variable: &'static str,
    /// The program that reads it.
    pub(crate) program: &'static str,
    /// The setting's key; a program without it says that it ignores the variable.
    pub(crate) key: &'static str,
    convert: fn(&str) -> Result<String, &'static str>,
}

const ALIASES: [Alias; 11] = [
    alias("RESIDENT_SHARD_COUNT", "agent", "shard_count", same),
    alias("RESIDENT_SHARD_ID", "agent", "shard_id", same),
    alias("RESIDENT_SCAN_LIMIT", "agent", "scan_limit", same),
    alias(
        "RESIDENT_SUBTASK_PARALLELISM",
        "agent",
        "subtask_parallelism",
        same,
    ),
    alias("RESIDENT_BACKOFF_MAX", "agent", "backoff_max", steps),
    alias("RESIDENT_JITTER_MAX", "agent", "jitter_max", seconds),
    alias("ORCHESTRATOR_WORKSPACE", "agent", "workspace", same),
    alias("ORCHESTRATOR_MAX_WORKERS", "agent", "slots", same),
    alias("ORCHESTRATOR_MODE", "agent", "isolation", same),
    alias("ORCHESTRATOR_TIMEOUT", "coordinator", "default_timeout", seconds),
    alias("ORCHESTRATOR_MAX_RETRIES", "coordinator", "default_retries", same),
];

/// Read by every program with a log.
const LOG_LEVELS: [Alias; 4] = [
    alias("RUST_LOG", "agent", "log_level", filter),
    alias("RUST_LOG", "coordinator", "log_level", filter),
    alias("ORCHESTRATOR_LOG_LEVEL", "agent", "log_level", log_level),
    alias("ORCHESTRATOR_LOG_LEVEL", "coordinator", "log_level", log_level),
];

const fn alias(
    variable: &'static str,
    program: &'static str,
    key: &'static str,
    convert: fn(&str) -> Result<String, &'static str>,
) -> Alias {
    Alias {
        variable,
        program,
        key,
        convert,
    }
}

impl Alias {
    /// The aliases that a program reads.
    pub(crate) fn of(program: &str) -> impl Iterator<Item = &'static Alias> {
        ALIASES
            .iter()
            .chain(&LOG_LEVELS)
            .filter(move |alias| alias.program == program)
    }

    /// Whether any program reads this variable.
    pub(crate) fn is_of_any_program(variable: &str) -> bool {
        ALIASES
            .iter()
            .chain(&LOG_LEVELS)
            .any(|alias| alias.variable == variable)
    }

    /// Converts the value into one that our flag takes.
    ///
    /// # Errors
    ///
    /// What the value should have been.
    pub(crate) fn convert(&self, value: &str) -> Result<String, &'static str> {
        (self.convert)(value.trim())
    }
}

fn same(value: &str) -> Result<String, &'static str> {
    Ok(value.to_owned())
}

fn seconds(value: &str) -> Result<String, &'static str> {
    let wrong = "a number of seconds is expected";
    let number: f64 = value.parse().map_err(|_| wrong)?;
    if !number.is_finite() || number < 0.0 {
        return Err(wrong);
    }
    Ok(format!("{number}s"))
}

/// `n` steps are the longest sleep of `2.0 s * (1 + n)`.
fn steps(value: &str) -> Result<String, &'static str> {
    let number: u32 = value
        .parse()
        .map_err(|_| "a number of steps of 2 s is expected")?;
    Ok(format!("{}s", STEP_SECONDS * (1.0 + f64::from(number))))
}

fn log_level(value: &str) -> Result<String, &'static str> {
    match value.to_ascii_uppercase().as_str() {
        "DEBUG" => Ok("debug".to_owned()),
        "INFO" => Ok("info".to_owned()),
        "WARN" | "WARNING" => Ok("warn".to_owned()),
        "ERROR" | "CRITICAL" => Ok("error".to_owned()),
        _ => Err("DEBUG, INFO, WARNING or ERROR is expected"),
    }
}

/// A word that is no level is the name of a module, all of whose lines are wanted.
fn filter(value: &str) -> Result<String, &'static str> {
    let is_word = !value.contains(['=', ',']);
    match log::level(value) {
        Some(level) => Ok(level),
        None if is_word => Ok(format!("{value}=trace")),
        None => Ok(value.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn converted(program: &str, variable: &str, value: &str) -> Result<String, &'static str> {
        let mut aliases = Alias::of(program);
        aliases
            .find(|alias| alias.variable == variable)
            .unwrap()
            .convert(value)
    }

    #[test]
    fn steps_and_seconds_become_durations() {
        for (variable, value, expected) in [
            ("RESIDENT_BACKOFF_MAX", "5", Ok("12s")),
            ("RESIDENT_BACKOFF_MAX", "0", Ok("2s")),
            ("RESIDENT_JITTER_MAX", "0.5", Ok("0.5s")),
            (
                "RESIDENT_JITTER_MAX",
                "-1",
                Err("a number of seconds is expected"),
            ),
            (
                "RESIDENT_BACKOFF_MAX",
                "10s",
                Err("a number of steps of 2 s is expected"),
            ),
            ("ORCHESTRATOR_LOG_LEVEL", "WARNING", Ok("warn")),
            ("RUST_LOG", "DEBUG", Ok("debug")),
            ("RUST_LOG", "swarm_agent", Ok("swarm_agent=trace")),
            ("RUST_LOG", "warn,h2=debug", Ok("warn,h2=debug")),
            ("ORCHESTRATOR_MAX_WORKERS", "8", Ok("8")),
        ] {
            assert_eq!(
                converted("agent", variable, value),
                expected.map(str::to_owned),
                "{variable}={value}"
            );
        }
        assert_eq!(
            converted("coordinator", "ORCHESTRATOR_TIMEOUT", "300").as_deref(),
            Ok("300s")
        );
    }
}
