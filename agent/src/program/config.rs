//! The settings: flags, their defaults and their limits.

use std::{cmp::Ordering, collections::BTreeMap, ffi::OsString, path::PathBuf, time::Duration};

use clap::{
    ArgAction, ArgMatches, CommandFactory as _, FromArgMatches as _, Parser, ValueEnum,
    builder::FalseyValueParser, error::ErrorKind, parser::ValueSource,
};
use swarm_program::{
    log::LogFormat,
    settings::{bytes::parse_bytes, usage},
};
use swarm_proto::{
    channel::Address,
    limits::{MAX_CLAIM_QUEUES, MAX_PAIRS, MAX_RULE_PATTERNS, MAX_SCAN, MAX_SHARDS},
    v1::{OwnerRules, Shard},
};

use super::{
    labels,
    shard::{self, ShardId},
    values::{claim_wait, duration, label, log_level, name, pattern, queue, slots},
};

pub(crate) const EXAMPLES: &str = "\
Examples:
  agent --coordinator 10.0.0.5:50051               lend this machine until Ctrl-C
  agent --name lab-3 --label gpu=a100 --slots 4    with a name, a label and four slots
  agent --exit-when-idle                           work until nothing is left, then leave
  agent doctor                                     look whether this machine can work";

/// Lends this machine to a Swarm coordinator: claims tasks, runs them, and reports.
#[derive(Clone, Debug, Parser)]
#[command(name = "agent", version, before_help = EXAMPLES)]
pub(crate) struct Config {
    /// Where the coordinator listens; of a comma-separated list the next one is tried when one is away
    #[arg(
        long,
        env = "SWARM_COORDINATOR",
        value_name = "HOST:PORT",
        value_delimiter = ',',
        default_value = "127.0.0.1:50051"
    )]
    pub(crate) coordinator: Vec<Address>,

    /// This agent's name [default: the host's name and four characters, kept in the state directory]
    #[arg(long, env = "SWARM_NAME", value_parser = name)]
    pub(crate) name: Option<String>,

    /// What to say about this machine, for tasks that ask for it; may be repeated. os, arch, host, cpus and memory are
    /// there unless given, and name is the agent's
    #[arg(long = "label", env = "SWARM_LABEL", value_name = "KEY[=VALUE]", value_delimiter = ',', value_parser = label)]
    pub(crate) labels: Vec<(String, String)>,

    /// Where identity and, for each coordinator's data, unconfirmed results are kept; name another one to start
    /// afresh [default: $XDG_STATE_HOME/swarm/agent/NAME]
    #[arg(long, env = "SWARM_STATE_DIR", value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,

    /// How many attempts run at a time; auto is one less than there are processors, from 1 to 10
    #[arg(long, env = "SWARM_SLOTS", value_name = "auto|N", default_value = "auto", value_parser = slots)]
    pub(crate) slots: u32,

    /// Only tasks of these queues, comma-separated [default: all]
    #[arg(long, env = "SWARM_QUEUES", value_name = "QUEUE", value_delimiter = ',', value_parser = queue)]
    pub(crate) queues: Vec<String>,

    /// Into how many shards all tasks are cut, at most 256; with 1 this agent takes any task
    #[arg(long, env = "SWARM_SHARD_COUNT", value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_SHARDS)))]
    pub(crate) shard_count: u32,

    /// Which shard this agent works on, from 0; with auto the coordinator gives every shard to some live agent
    #[arg(long, env = "SWARM_SHARD_ID", value_name = "auto|I", default_value = "auto")]
    pub(crate) shard_id: ShardId,

    /// How many queued tasks one claim looks at, when this agent is not to be given the first ones for a while; the
    /// next claim looks at others, round and round. 0 is all
    #[arg(long, env = "SWARM_SCAN_LIMIT", value_name = "N", default_value_t = 0,
          value_parser = clap::value_parser!(u32).range(..=i64::from(MAX_SCAN)))]
    pub(crate) scan_limit: u32,

    /// Run no commands: the coordinator gives this agent none
    #[arg(long, env = "SWARM_NO_COMMAND", action = ArgAction::SetTrue, value_parser = FalseyValueParser::new())]
    pub(crate) no_command: bool,

    /// Run only commands whose program, as the task names it, is one of these, comma-separated; * and ? stand for any
    /// characters and for one. The coordinator gives this agent no others. It is a rule about names, no fence: what is
    /// allowed can start what is not
    #[arg(long, env = "SWARM_ALLOW_COMMAND", value_name = "GLOB", value_delimiter = ',', value_parser = pattern)]
    pub(crate) allow_command: Vec<String>,

    /// How long a claim may wait at the coordinator for work, at most 30s and a quarter of a lease; 0 is plain polling
    #[arg(long, env = "SWARM_CLAIM_WAIT", value_name = "DURATION", default_value = "20s", value_parser = claim_wait)]
    pub(crate) claim_wait: Duration,

    /// The pause after a claim that found nothing, when claims do not wait
    #[arg(long, env = "SWARM_POLL_INTERVAL", value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub(crate) poll_interval: Duration,

    /// The longest pause after errors and between empty claims; never more than a quarter of a lease
    #[arg(long, env = "SWARM_BACKOFF_MAX", value_name = "DURATION", default_value = "30s", value_parser = duration)]
    pub(crate) backoff_max: Duration,

    /// The upper end of the random time that is added to each pause
    #[arg(long, env = "SWARM_JITTER_MAX", value_name = "DURATION", default_value = "500ms", value_parser = duration)]
    pub(crate) jitter_max: Duration,

    /// Where each attempt gets a fresh directory [default: `work` in the state directory]
    #[arg(long, env = "SWARM_WORKSPACE", value_name = "DIR")]
    pub(crate) workspace: Option<PathBuf>,

    /// Which attempts' directories to keep: of each workspace the newest 50, as long as --keep-bytes and --keep-free
    /// allow
    #[arg(
        long,
        env = "SWARM_KEEP_WORKSPACE",
        value_name = "WHEN",
        value_enum,
        default_value = "on-failure"
    )]
    pub(crate) keep_workspace: Keep,

    /// How much disk kept directories take together; the oldest go first
    #[arg(long, env = "SWARM_KEEP_BYTES", value_name = "BYTES", default_value = "10GiB", value_parser = parse_bytes)]
    pub(crate) keep_bytes: u64,

    /// How much of the workspace's disk stays free: with less, kept directories go, the oldest first [default: 1GiB,
    /// or a tenth of a smaller disk]
    #[arg(long, env = "SWARM_KEEP_FREE", value_name = "BYTES", value_parser = parse_bytes)]
    pub(crate) keep_free: Option<u64>,

    /// Claim this many tasks, finish them, and leave; one that is given back undone does not count
    #[arg(long, env = "SWARM_MAX_TASKS", value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) max_tasks: Option<u64>,

    /// The same as --max-tasks 1
    #[arg(long, env = "SWARM_ONCE", action = ArgAction::SetTrue, value_parser = FalseyValueParser::new())]
    once: bool,

    /// Leave when nothing runs and ten claims in ten seconds find nothing: what is due by then is waited for. With
    /// --claim-wait 0 it is ten times --poll-interval. While everything or this agent is paused, or all agents are
    /// stopped, wait for the end of that
    #[arg(long, env = "SWARM_EXIT_WHEN_IDLE", action = ArgAction::SetTrue, value_parser = FalseyValueParser::new())]
    pub(crate) exit_when_idle: bool,

    /// How long running attempts may take to finish after SIGTERM or SIGINT
    #[arg(long, env = "SWARM_DRAIN_TIMEOUT", value_name = "DURATION", default_value = "5m", value_parser = duration)]
    pub(crate) drain_timeout: Duration,

    /// The time between SIGTERM and SIGKILL for an attempt that has to end
    #[arg(long, env = "SWARM_KILL_GRACE", value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub(crate) kill_grace: Duration,

    /// How log lines look
    #[arg(
        long,
        env = "SWARM_LOG_FORMAT",
        value_name = "FORMAT",
        value_enum,
        default_value = "text"
    )]
    pub(crate) log_format: LogFormat,

    /// Which log lines there are: off, error, warn, info, debug, trace, or directives such as warn,swarm_agent=debug
    #[arg(long, env = "SWARM_LOG_LEVEL", value_name = "LEVEL", default_value = "info", value_parser = log_level)]
    pub(crate) log_level: String,
}

/// The attempts whose directories are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Keep {
    /// None; only those of lost attempts, whose result is nowhere else.
    Never,
    /// Those of attempts that did not succeed.
    OnFailure,
    /// All.
    Always,
}

impl Keep {
    /// Whether to keep the directories of an attempt.
    pub(crate) fn applies(self, succeeded: bool) -> bool {
        match self {
            Keep::Never => false,
            Keep::OnFailure => !succeeded,
            Keep::Always => true,
        }
    }
}

impl Config {
    /// Reads a command line and the environment alone; `verb::read` also reads files.
    ///
    /// # Errors
    ///
    /// The text to print: usage, help or the error.
    pub(crate) fn read<T>(args: impl IntoIterator<Item = T>) -> Result<Config, clap::Error>
    where
        T: Into<OsString> + Clone,
    {
        let matches = usage::matches(Config::command(), args)?;
        let strength = is_typed(&matches, "once").cmp(&is_typed(&matches, "max_tasks"));
        Config::from_arg_matches(&matches)?.settled(strength)
    }

    /// Settles settings that exclude each other: the one from the stronger source counts.
    ///
    /// # Errors
    ///
    /// When both come from the same source, or other settings do not fit together.
    pub(crate) fn settled(mut self, once_to_max_tasks: Ordering) -> Result<Config, clap::Error> {
        // Checked here and not by clap: a variable may be set and mean no, as SWARM_ONCE=0.
        if self.once && self.max_tasks.is_some() {
            match once_to_max_tasks {
                Ordering::Greater => self.max_tasks = None,
                Ordering::Less => self.once = false,
                Ordering::Equal => {
                    return Err(Config::command().error(
                        ErrorKind::ArgumentConflict,
                        "--once (SWARM_ONCE) and --max-tasks (SWARM_MAX_TASKS) exclude each other",
                    ));
                }
            }
        }
        match self.faults() {
            faults if faults.is_empty() => Ok(self),
            faults => Err(usage::together(Config::command(), &faults)),
        }
    }

    /// All faults of settings that are right by themselves and do not fit together.
    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        faults.extend(shard::fault(self.shard_count, self.shard_id));
        if self.queues.len() > MAX_CLAIM_QUEUES {
            let count = self.queues.len();
            faults.push(format!(
                "--queues names {count} queues, at most {MAX_CLAIM_QUEUES} will do"
            ));
        }
        let (own, most) = (self.own_labels(), MAX_PAIRS - labels::KEYS.len());
        if own
            .keys()
            .filter(|key| !labels::KEYS.contains(&key.as_str()))
            .count()
            > most
        {
            let count = own.len();
            let there = labels::KEYS.join(", ");
            faults.push(format!(
                "--label is given too often: there are {count} labels, and {most} will do beside {there}"
            ));
        }
        if own.contains_key(labels::NAME) {
            faults.push("an agent's label name is its name: give it with --name".to_owned());
        }
        if self.allow_command.len() > MAX_RULE_PATTERNS {
            let count = self.allow_command.len();
            faults.push(format!(
                "--allow-command has {count} patterns, at most {MAX_RULE_PATTERNS} will do"
            ));
        }
        if self.no_command && !self.allow_command.is_empty() {
            faults.push("--no-command and --allow-command exclude each other".to_owned());
        }
        faults
    }

    /// The shard to claim from; `None` is all tasks.
    pub(crate) fn shard(&self) -> Option<Shard> {
        shard::of(self.shard_count, self.shard_id)
    }

    /// How many tasks to claim before leaving; `None` is no limit.
    pub(crate) fn task_limit(&self) -> Option<u64> {
        if self.once { Some(1) } else { self.max_tasks }
    }

    /// What the owner lets this agent run.
    pub(crate) fn rules(&self) -> OwnerRules {
        OwnerRules {
            no_commands: self.no_command,
            programs: self.allow_command.clone(),
        }
    }

    /// The owner's labels by key. Of equal keys the last one counts.
    fn own_labels(&self) -> BTreeMap<String, String> {
        self.labels.iter().cloned().collect()
    }

    /// All labels by key, with those that every agent has: the owner's count more than those.
    pub(crate) fn labels_of(&self, name: &str) -> BTreeMap<String, String> {
        let own = self.own_labels();
        labels::of_this_machine(name).into_iter().chain(own).collect()
    }
}

fn is_typed(matches: &ArgMatches, flag: &str) -> bool {
    matches.value_source(flag) == Some(ValueSource::CommandLine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flags_are_consistent() {
        Config::command().debug_assert();
    }

    #[test]
    fn a_word_that_is_no_level_is_refused_with_the_levels() {
        let refused = Config::read(["agent", "--log-level", "nope"])
            .unwrap_err()
            .to_string();
        assert!(
            refused.contains("off, error, warn, info, debug, trace"),
            "{refused}"
        );
        for level in ["off", "trace", "warn,swarm_agent=debug"] {
            assert!(Config::read(["agent", "--log-level", level]).is_ok(), "{level}");
        }
    }

    #[test]
    fn settings_that_do_not_fit_together_are_named_together() {
        let flags = ["--shard-id", "2", "--no-command", "--allow-command", "git"];
        let said = Config::read(["agent"].iter().chain(&flags))
            .unwrap_err()
            .to_string();
        assert!(said.starts_with("error: --shard-id is 2"), "{said}");
        assert!(
            said.contains("\nerror: --no-command and --allow-command"),
            "{said}"
        );
    }

    #[test]
    fn help_starts_with_examples() {
        let help = Config::command().render_help().to_string();
        assert!(help.starts_with("Examples:\n  agent "), "{help}");
    }

    #[test]
    fn a_comma_list_of_coordinators_and_labels_is_read() {
        let config = Config::read([
            "agent",
            "--coordinator",
            "a:1,b:2",
            "--label",
            "x=1",
            "--label",
            "y=2=3,spot",
            "--once",
        ])
        .unwrap();
        assert_eq!(config.coordinator.len(), 2);
        assert_eq!(config.own_labels()["y"], "2=3");
        assert_eq!(config.own_labels()["spot"], "");
        assert_eq!(config.task_limit(), Some(1));
        let named = Config::read(["agent", "--label", "name=other"])
            .unwrap_err()
            .to_string();
        assert!(named.contains("give it with --name"), "{named}");
    }
}
