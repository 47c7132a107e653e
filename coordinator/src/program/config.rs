//! The settings of serving, from flags and environment.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{Args, builder::BoolishValueParser};
use swarm_engine::time::millis;
use swarm_program::{
    exit::Exit,
    failure::Failure,
    log::{LEVELS, LogFormat, level},
    settings::bytes::parse_bytes,
};

/// How to serve.
#[derive(Clone, Debug, Args)]
pub struct Config {
    /// Where to serve gRPC; port 0 takes a free one.
    #[arg(
        long,
        env = "SWARM_LISTEN",
        default_value = "127.0.0.1:50051",
        value_name = "IP:PORT"
    )]
    pub listen: SocketAddr,
    /// Where to serve metrics for Prometheus, as http://IP:PORT/metrics [default: nowhere].
    #[arg(long, env = "SWARM_METRICS_LISTEN", value_name = "IP:PORT")]
    pub metrics_listen: Option<SocketAddr>,
    /// Where to keep the data [default: $XDG_STATE_HOME/swarm/coordinator].
    #[arg(long, env = "SWARM_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// How long a lease lasts without a heartbeat.
    #[arg(long, env = "SWARM_LEASE_TTL", default_value = "90s", value_parser = duration, value_name = "DURATION")]
    pub lease_ttl: Duration,
    /// How long an attempt of a task that names no timeout may run.
    #[arg(long, env = "SWARM_DEFAULT_TIMEOUT", default_value = "1h", value_parser = duration, value_name = "DURATION")]
    pub default_timeout: Duration,
    /// How often a task that names no number is tried again after its first failure.
    #[arg(long, env = "SWARM_DEFAULT_RETRIES", default_value_t = 2, value_name = "N",
          value_parser = clap::value_parser!(u32).range(0..=i64::from(swarm_engine::limits::MAX_RETRIES)))]
    pub default_retries: u32,
    /// How long a task is kept after its end, and an agent after it was last heard of.
    #[arg(long, env = "SWARM_KEEP_TASKS", default_value = "7d", value_parser = duration, value_name = "DURATION")]
    pub keep_tasks: Duration,
    /// How long events are kept, unless --keep-events-bytes ends it earlier.
    #[arg(long, env = "SWARM_KEEP_EVENTS", default_value = "30d", value_parser = duration, value_name = "DURATION")]
    pub keep_events: Duration,
    /// How much disk the events may take, unless --keep-events ends it earlier; up to three times as much while a
    /// snapshot is taken.
    #[arg(
        long,
        env = "SWARM_KEEP_EVENTS_BYTES",
        default_value = "1GiB",
        value_parser = parse_bytes,
        value_name = "BYTES"
    )]
    pub keep_events_bytes: u64,
    /// How much memory requests, answers and tasks may take in all [default: half of the machine's or the cgroup's].
    #[arg(long, env = "SWARM_MEMORY", value_parser = parse_bytes, value_name = "BYTES")]
    pub memory: Option<u64>,
    /// Believe the machine's clock at the start, however far it is ahead of the last event. Without this, a clock that
    /// is ahead by more than a day is believed when a second start confirms it.
    #[arg(long, env = "SWARM_ACCEPT_CLOCK", value_parser = BoolishValueParser::new())]
    pub accept_clock: bool,
    /// Serve other machines without encryption or passwords: whoever reaches the port can run commands on every agent.
    #[arg(long, env = "SWARM_INSECURE", value_parser = BoolishValueParser::new())]
    pub insecure: bool,
    /// How log lines look.
    #[arg(long, env = "SWARM_LOG_FORMAT", default_value = "text", value_name = "FORMAT")]
    pub log_format: LogFormat,
    /// Which log lines: error, warn, info, debug, trace, or a tracing filter.
    #[arg(long, env = "SWARM_LOG_LEVEL", default_value = "info", value_parser = log_level, value_name = "LEVEL")]
    pub log_level: String,
}

/// A lease must outlive a lost heartbeat or two, and a dead agent's task should not wait for hours.
const LEASE_TTL: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(500)..=Duration::from_secs(24 * 3600);

/// A task has to outlive its last report and the people who look at it; no disk is for ever.
const KEEP: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(100 * 366 * 24 * 3600);

/// Events are removed in segments of 16 MiB: of fewer than four segments, a quarter is none.
const LEAST_EVENT_BYTES: u64 = 64 * 1024 * 1024;

/// The doors take some ten mebibytes of it however little there is.
const LEAST_MEMORY: u64 = 128 * 1024 * 1024;

impl Config {
    /// Refuses settings that cannot work, or would open the coordinator to everybody.
    ///
    /// # Errors
    ///
    /// Every fault at once.
    pub fn check(&self) -> Result<(), Failure> {
        let mut errors = Vec::new();
        let mut help = Vec::new();
        if !self.listen.ip().is_loopback() && !self.insecure {
            errors.push(format!(
                "refusing to serve {} in plaintext: whoever reaches the port could run commands on every agent",
                self.listen
            ));
            help.push("listen on 127.0.0.1, or say --insecure if the network is trusted".to_owned());
        }
        if let Some(address) = self.metrics_listen
            && !address.ip().is_loopback()
            && !self.insecure
        {
            errors.push(format!(
                "refusing to serve metrics on {address} in plaintext: whoever reaches the port could read them"
            ));
            help.push(
                "say --metrics-listen 127.0.0.1:PORT, or --insecure if the network is trusted".to_owned(),
            );
        }
        if !LEASE_TTL.contains(&self.lease_ttl) {
            errors.push(format!(
                "--lease-ttl is {:?}, it must be between 500ms and 24h",
                self.lease_ttl
            ));
        }
        if self.default_timeout.is_zero() || self.default_timeout > swarm_engine::limits::MAX_TIMEOUT {
            errors.push("--default-timeout must be more than nothing and at most 30 days".to_owned());
        }
        if !KEEP.contains(&self.keep_tasks) {
            errors.push("--keep-tasks must be between 1s and 100 years".to_owned());
        }
        if !KEEP.contains(&self.keep_events) {
            errors.push("--keep-events must be between 1s and 100 years".to_owned());
        }
        if self.keep_events_bytes < LEAST_EVENT_BYTES {
            errors.push("--keep-events-bytes must be at least 64MiB".to_owned());
        }
        if self.metrics_listen == Some(self.listen) && self.listen.port() != 0 {
            errors.push(format!("--listen and --metrics-listen are both {}", self.listen));
        }
        if self.memory.is_some_and(|bytes| bytes < LEAST_MEMORY) {
            errors.push("--memory must be at least 128MiB".to_owned());
        }
        if errors.is_empty() {
            Ok(())
        } else {
            Err(Failure::new(Exit::Configuration, errors.join("; ")).help(help.join("; ")))
        }
    }

    /// The data directory.
    ///
    /// # Errors
    ///
    /// As the function `data_dir`.
    pub fn data_dir(&self) -> Result<PathBuf, Failure> {
        data_dir(self.data_dir.as_deref())
    }
}

/// The data directory: the named one, or the usual one of this user.
///
/// # Errors
///
/// When none is named and the user has no home directory.
pub(crate) fn data_dir(named: Option<&Path>) -> Result<PathBuf, Failure> {
    use etcetera::BaseStrategy as _;
    if let Some(dir) = named {
        return Ok(dir.to_owned());
    }
    let base = etcetera::choose_base_strategy().map_err(|error| {
        Failure::new(
            Exit::Configuration,
            format!("cannot tell where to keep the data: {error}"),
        )
        .help("name a directory: --data-dir DIR")
    })?;
    let state = base.state_dir().unwrap_or_else(|| base.data_dir());
    Ok(state.join("swarm").join("coordinator"))
}

fn log_level(text: &str) -> Result<String, String> {
    level(text).ok_or_else(|| {
        format!(
            "write one of {}, or a filter such as warn,swarm_coordinator=debug",
            LEVELS.join(", ")
        )
    })
}

/// Reads a duration as people write it, in whole milliseconds, as it is kept on disk.
fn duration(text: &str) -> Result<Duration, String> {
    swarm_proto::duration::parse_duration(text).map(|length| Duration::from_millis(millis(length)))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Serve {
        #[command(flatten)]
        config: Config,
    }

    fn parse(args: &[&str]) -> Config {
        Serve::try_parse_from(["coordinator"].iter().chain(args))
            .unwrap()
            .config
    }

    #[test]
    fn plaintext_off_loopback_needs_to_be_insisted_on() {
        let refused = parse(&["--listen", "0.0.0.0:50051"]).check().unwrap_err();
        assert_eq!(refused.exit, Exit::Configuration);
        assert!(refused.to_string().contains("--insecure"), "{refused}");
        assert!(
            parse(&["--listen", "0.0.0.0:50051", "--insecure"])
                .check()
                .is_ok()
        );
        let refused = parse(&["--metrics-listen", "0.0.0.0:9100"]).check().unwrap_err();
        assert_eq!(refused.exit, Exit::Configuration);
        assert!(refused.to_string().contains("--metrics-listen"), "{refused}");
        let insisted = parse(&["--metrics-listen", "0.0.0.0:9100", "--insecure"]);
        assert!(insisted.check().is_ok());
        assert!(parse(&["--listen", "[::1]:50051"]).check().is_ok());
    }

    #[test]
    fn all_faults_are_named_at_once() {
        let refused = parse(&[
            "--listen",
            "0.0.0.0:1",
            "--lease-ttl",
            "1ms",
            "--default-timeout",
            "0s",
            "--keep-tasks",
            "0s",
            "--keep-events",
            "0s",
            "--keep-events-bytes",
            "1MiB",
            "--memory",
            "1MiB",
        ])
        .check()
        .unwrap_err();
        for word in [
            "plaintext",
            "--lease-ttl",
            "--default-timeout",
            "--keep-tasks",
            "--keep-events ",
            "--keep-events-bytes",
            "--memory",
        ] {
            assert!(refused.sentence.contains(word), "{refused}");
        }
    }
}
