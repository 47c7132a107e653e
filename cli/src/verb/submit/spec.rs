//! The flags that describe one task, for `submit` and `run`.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use swarm_program::{exit::Exit, failure::Failure};
use swarm_proto::{
    duration::{parse_duration, write_duration},
    refusal::FieldFault,
    v1::{Command, Dependency, NewTask, Requirements, Retry, TaskSpec, task_spec::Work},
};

use super::stdin;
use crate::{
    jobfile::{placeholder, requirement::parse_term},
    program::{clock, value},
};

/// Characters that mean something to a shell. A single word with any of them is a line for `sh -c`.
const SHELL_CHARACTERS: &str = " \t\n|&;<>()$`\\\"'*?[]#~{}!";

/// The flags that describe one task.
#[derive(Clone, Debug, Default, PartialEq, clap::Args)]
pub(crate) struct TaskFlags {
    /// The task's id; made up when not given
    #[arg(long, value_name = "ID")]
    pub id: Option<String>,
    /// A name for people
    #[arg(long)]
    pub name: Option<String>,
    /// The queue it waits in
    #[arg(long)]
    pub queue: Option<String>,
    /// low, normal, high, critical, or -100 to 100
    #[arg(long, value_parser = value::parse_priority, allow_hyphen_values = true)]
    pub priority: Option<i32>,
    /// Tasks that have to succeed first; may be repeated, or separated by commas
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    pub depends_on: Vec<String>,
    /// A tag to find tasks by, as with list --label; may be repeated. Machines are chosen with --require
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = pair)]
    pub labels: Vec<(String, String)>,
    /// What the agent's labels have to meet: k=v, k!=v, k, !k, and k>=n or k<=n for numbers and sizes such as 8GiB; may
    /// be repeated, or separated by commas. Every agent has os, arch, host, name, cpus and memory
    #[arg(long = "require", value_name = "TERM", value_delimiter = ',', value_parser = parse_term)]
    pub requires: Vec<String>,
    /// The agent with this name, and no other; short for --require name=NAME
    #[arg(long, value_name = "NAME", value_parser = named)]
    pub agent: Option<String>,
    /// Of the tasks with the same group at most one runs at a time
    #[arg(long = "exclusive", value_name = "GROUP")]
    pub exclusive_group: Option<String>,
    /// A text whose hash chooses the shard; the exclusive group, or else the id, when not given
    #[arg(long, value_name = "KEY")]
    pub shard_key: Option<String>,
    /// How long one attempt may run
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub timeout: Option<Duration>,
    /// Fails unless it has ended by then: a time, or a duration from now
    #[arg(long, value_name = "TIME", value_parser = deadline)]
    pub deadline: Option<jiff::Timestamp>,
    /// Is not started before this time, such as 18:00, tomorrow 2am or 2026-03-01T10:00:00+01:00; without an offset in
    /// the zone of this machine
    #[arg(long, value_name = "TIME", value_parser = value::parse_time, conflicts_with = "delay")]
    pub not_before: Option<jiff::Timestamp>,
    /// Is not started before this long from now
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub delay: Option<Duration>,
    /// Further tries after the first failure
    #[arg(long, value_name = "N")]
    pub retries: Option<u32>,
    /// A variable of the task's environment; may be repeated
    #[arg(long = "env", value_name = "KEY=VALUE", value_parser = pair)]
    pub env: Vec<(String, String)>,
    /// Where it runs: an absolute path on the agent's machine; a fresh directory, removed when the task succeeds, when
    /// not given
    #[arg(long, value_name = "DIR", value_parser = directory)]
    pub cwd: Option<String>,
    /// A file for its standard input; - is that of swarmctl
    #[arg(long, value_name = "FILE")]
    pub stdin_file: Option<PathBuf>,
}

impl TaskFlags {
    /// The command of the words after `--`, with its directory, environment and input.
    ///
    /// # Errors
    ///
    /// When a word is not UTF-8, or the input cannot be read.
    pub(crate) fn command(&self, words: &[OsString]) -> anyhow::Result<Work> {
        let stdin = match &self.stdin_file {
            Some(path) => stdin::of_file(path)?,
            None => Vec::new(),
        };
        self.command_with(words, stdin)
    }

    /// The same with an input that is known already.
    ///
    /// # Errors
    ///
    /// When a word is not UTF-8.
    pub(crate) fn command_with(&self, words: &[OsString], stdin: Vec<u8>) -> anyhow::Result<Work> {
        Ok(Work::Command(Command {
            argv: argv(words)?,
            cwd: self.cwd.clone().unwrap_or_default(),
            stdin,
            env: self.env.iter().cloned().collect(),
        }))
    }

    /// Whether the task's input is that of swarmctl.
    pub(crate) fn reads_stdin(&self) -> bool {
        self.stdin_file
            .as_ref()
            .is_some_and(|path| path.as_os_str() == "-")
    }

    /// The task of the flags.
    ///
    /// # Errors
    ///
    /// When an id is malformed, or a duration too long.
    pub(crate) fn task(&self, work: Work) -> anyhow::Result<NewTask> {
        let now = clock::here(clock::now());
        let filled = |text: &String| placeholder::filled(text, &now);
        let task_id = match self.id.as_ref().map(filled) {
            Some(id) => {
                value::check_new_id(&id).map_err(|why| Failure::new(Exit::Usage, format!("--id: {why}")))?;
                id
            }
            None => value::generate_id().map_err(anyhow::Error::msg)?,
        };
        let spec = TaskSpec {
            work: Some(work),
            name: self.name.as_ref().map(filled).unwrap_or_default(),
            queue: self.queue.clone().unwrap_or_default(),
            priority: self.priority.unwrap_or_default(),
            depends_on: self
                .depends_on
                .iter()
                .map(|id| Dependency {
                    task_id: filled(id),
                    condition: 0,
                })
                .collect(),
            labels: self.labels.iter().cloned().collect(),
            retry: self.retries.map(|retries| Retry {
                max_retries: Some(retries),
                ..Retry::default()
            }),
            timeout: self.timeout.map(wire_duration).transpose()?,
            not_before: self.not_before.map(wire_time),
            delay: self.delay.map(wire_duration).transpose()?,
            deadline: self.deadline.map(wire_time),
            requirements: self.requirements(),
            exclusive_group: self.exclusive_group.clone().unwrap_or_default(),
            shard_key: self.shard_key.clone().unwrap_or_default(),
            ..TaskSpec::default()
        };
        Ok(NewTask {
            task_id,
            spec: Some(spec),
        })
    }

    fn requirements(&self) -> Option<Requirements> {
        let labels: Vec<String> = self.requires.iter().chain(&self.agent).cloned().collect();
        (!labels.is_empty()).then_some(Requirements { labels })
    }
}

/// The term that asks for the agent with this name.
fn named(name: &str) -> Result<String, String> {
    parse_term(&format!("name={name}"))
}

/// A fault in the coordinator's answer, named by its flag.
pub(crate) fn flag_fault(fault: &FieldFault) -> String {
    const FLAGS: &[(&str, &str)] = &[
        ("task_id", "--id"),
        ("spec.name", "--name"),
        ("spec.queue", "--queue"),
        ("spec.priority", "--priority"),
        ("spec.depends_on", "--depends-on"),
        ("spec.labels", "--label"),
        ("spec.requirements", "--require"),
        ("spec.exclusive_group", "--exclusive"),
        ("spec.shard_key", "--shard-key"),
        ("spec.prompt.model", "--model"),
        ("spec.prompt", "--prompt"),
        ("spec.timeout", "--timeout"),
        ("spec.deadline", "--deadline"),
        ("spec.not_before", "--not-before"),
        ("spec.delay", "--delay"),
        ("spec.retry", "--retries"),
        ("spec.command.env", "--env"),
        ("spec.command.cwd", "--cwd"),
        ("spec.command.stdin", "--stdin-file"),
        ("spec.command.argv", "the command"),
    ];
    // All tasks of a series have the same flags.
    let field = match fault
        .field
        .strip_prefix("tasks[")
        .and_then(|rest| rest.split_once("]."))
    {
        Some((_, field)) => field,
        None => &fault.field,
    };
    let flag = FLAGS
        .iter()
        .find(|(path, _)| field.starts_with(path))
        .map_or(field, |(_, flag)| flag);
    format!("  {flag}: {}", fault.description)
}

/// Several words are a command as they are. A single word with shell characters is run by a shell.
fn argv(words: &[OsString]) -> anyhow::Result<Vec<String>> {
    let mut argv = Vec::with_capacity(words.len());
    for word in words {
        let Some(word) = word.to_str() else {
            let sentence = format!(
                "the word '{}' of the command is not UTF-8",
                word.to_string_lossy()
            );
            return Err(Failure::new(Exit::Usage, sentence).into());
        };
        argv.push(word.to_owned());
    }
    match argv.as_slice() {
        [line] if line.contains(|c| SHELL_CHARACTERS.contains(c)) => {
            Ok(vec!["sh".to_owned(), "-c".to_owned(), line.clone()])
        }
        _ => Ok(argv),
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("'{text}' is not KEY=VALUE")),
    }
}

fn directory(text: &str) -> Result<String, String> {
    match text.starts_with('/') {
        true => Ok(text.to_owned()),
        false => Err(
            "it is no absolute path, and the agent may be on another machine: this directory is --cwd \"$PWD\""
                .to_owned(),
        ),
    }
}

fn deadline(text: &str) -> Result<jiff::Timestamp, String> {
    value::parse_deadline(text, clock::now())
}

fn wire_duration(duration: Duration) -> anyhow::Result<prost_types::Duration> {
    write_duration(duration)
        .ok_or_else(|| Failure::new(Exit::Usage, format!("{} s is too long", duration.as_secs())).into())
}

fn wire_time(time: jiff::Timestamp) -> prost_types::Timestamp {
    let nanos = time.as_nanosecond();
    prost_types::Timestamp {
        seconds: nanos.div_euclid(1_000_000_000) as i64,
        nanos: nanos.rem_euclid(1_000_000_000) as i32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_word_for_a_shell_is_given_to_one() {
        let argv_of = |words: &[&str]| argv(&words.iter().map(OsString::from).collect::<Vec<_>>()).unwrap();
        assert_eq!(argv_of(&["true"]), ["true"]);
        assert_eq!(argv_of(&["echo hi | wc -c"]), ["sh", "-c", "echo hi | wc -c"]);
        assert_eq!(argv_of(&["echo", "a b", "$HOME"]), ["echo", "a b", "$HOME"]);
    }

    #[test]
    fn times_keep_their_fraction() {
        let time = wire_time("1969-12-31T23:59:59.5Z".parse().unwrap());
        assert_eq!((time.seconds, time.nanos), (-1, 500_000_000));
    }

    #[test]
    fn a_fault_is_named_by_its_flag() {
        let fault = FieldFault {
            field: "tasks[0].spec.retry.max_retries".into(),
            description: "at most 100".into(),
        };
        assert_eq!(flag_fault(&fault), "  --retries: at most 100");
    }
}
