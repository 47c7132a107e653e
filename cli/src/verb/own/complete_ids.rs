//! `swarmctl complete-ids`: the ids that complete a half-typed command line. Completion scripts run it at every press
//! of a key, so it answers quickly or not at all, and reports no failures.

use std::time::Duration;

use clap::{Arg, ArgAction, Command};
use swarm_program::exit::Exit;
use swarm_proto::{
    channel::{self, Address},
    unary,
    v1::{FindIdsRequest, FindIdsResponse},
};
use tokio::time::timeout;

use crate::{output::Output, program::globals::Globals};

/// The verb's name.
pub const VERB: &str = "complete-ids";

/// The longest wait after a press of a key, connection and answer together.
const PATIENCE: Duration = Duration::from_millis(500);

/// At most this many ids; more are no help in a terminal.
const MOST_IDS: u32 = 100;

/// The words behind the program's name.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The words typed so far; the last one is unfinished
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

/// The kind of thing that an argument names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    TaskOrJob,
    Task,
    Job,
    Agent,
    Queue,
}

/// The question that a half-typed command line asks.
#[derive(Debug, PartialEq, Eq)]
struct Question {
    kind: Kind,
    prefix: String,
    coordinator: Option<String>,
}

/// Prints the ids.
///
/// # Errors
///
/// When stdout is closed.
pub async fn run(args: Args, globals: &Globals, command: fn() -> Command) -> anyhow::Result<Exit> {
    let mut command = command();
    command.build();
    let Some(question) = question(&command, &args.words) else {
        return Ok(Exit::Done);
    };
    let address = match &question.coordinator {
        Some(named) => named.parse().ok(),
        None => Some(globals.coordinator.clone()),
    };
    let found = match address {
        Some(address) => timeout(PATIENCE, ask(&address, &question.prefix))
            .await
            .ok()
            .flatten(),
        None => None,
    };
    let output = Output::new(globals);
    for id in found.map(|found| question.kind.of(found)).unwrap_or_default() {
        output.line(&id)?;
    }
    Ok(Exit::Done)
}

async fn ask(address: &Address, prefix: &str) -> Option<FindIdsResponse> {
    let request = FindIdsRequest {
        prefix: prefix.to_owned(),
        limit: MOST_IDS,
    };
    let answer = unary::send(channel::open(address).ok()?, request).await;
    Some(answer.ok()?.into_inner())
}

impl Kind {
    fn of(self, found: FindIdsResponse) -> Vec<String> {
        match self {
            Kind::TaskOrJob => [found.task_ids, found.job_ids].concat(),
            Kind::Task => found.task_ids,
            Kind::Job => found.job_ids,
            Kind::Agent => found.agent_ids,
            Kind::Queue => found.queues,
        }
    }

    /// The kind that an argument takes: a flag's by its name, a position's by the noun or verb before it.
    fn taken_by(arg: &Arg, path: &[&str]) -> Option<Kind> {
        let name = arg.get_id().as_str();
        if !arg.is_positional() {
            return match name {
                "task" | "depends_on" => Some(Kind::Task),
                "job" => Some(Kind::Job),
                "agent" => Some(Kind::Agent),
                "queue" | "queues" => Some(Kind::Queue),
                _ => None,
            };
        }
        match (path, name) {
            (["agent", ..] | ["drain" | "undrain"], _) | (_, "agent" | "agents") => Some(Kind::Agent),
            (["queue", ..], _) | (_, "queue" | "queues") => Some(Kind::Queue),
            (["job", ..], _) | (_, "job" | "jobs") => Some(Kind::Job),
            (_, "task" | "tasks") => Some(Kind::Task),
            (_, "id" | "ids") => Some(Kind::TaskOrJob),
            _ => None,
        }
    }
}

/// The question about the last word; `None` when it is no id.
fn question(program: &Command, words: &[String]) -> Option<Question> {
    let (current, before) = words.split_last()?;
    let (mut command, mut path) = (program, Vec::new());
    let (mut position, mut pending, mut coordinator) = (0, None::<&Arg>, None);
    for word in before {
        if let Some(arg) = pending.take() {
            if arg.get_id() == "coordinator" {
                coordinator = Some(word.clone());
            }
        } else if word == "--" {
            // The rest is another program's command line.
            return None;
        } else if let Some((flag, value)) = word.split_once('=').filter(|_| word.starts_with("--")) {
            if flag == "--coordinator" {
                coordinator = Some(value.to_owned());
            }
        } else if word.starts_with('-') && word.len() > 1 {
            pending = command
                .get_arguments()
                .find(|arg| is_named(arg, word) && takes_value(arg));
        } else if let Some(verb) = command.find_subcommand(word) {
            (command, position) = (verb, 0);
            path.push(verb.get_name());
        } else {
            position += 1;
        }
    }
    let arg = match pending {
        Some(arg) => arg,
        None if current.starts_with('-') => return None,
        None => positional(command, position)?,
    };
    Some(Question {
        kind: Kind::taken_by(arg, &path)?,
        prefix: current.clone(),
        coordinator,
    })
}

fn is_named(arg: &Arg, word: &str) -> bool {
    match word.strip_prefix("--") {
        Some(long) => arg.get_long() == Some(long),
        None => arg
            .get_short()
            .is_some_and(|short| word.strip_prefix('-') == Some(short.to_string().as_str())),
    }
}

fn takes_value(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Set | ArgAction::Append)
}

/// The argument at a position; the last argument may take any number of words.
fn positional(command: &Command, position: usize) -> Option<&Arg> {
    let positionals: Vec<&Arg> = command.get_positionals().collect();
    let last = positionals.last().copied();
    let repeats = |arg: &&Arg| arg.get_num_args().is_some_and(|number| number.max_values() > 1);
    positionals
        .get(position)
        .copied()
        .or_else(|| last.filter(repeats))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::args::Program;

    fn question_of(line: &str) -> Option<Question> {
        let mut command = Program::command();
        command.build();
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        question(&command, &words)
    }

    #[test]
    fn a_place_for_an_id_is_recognised() {
        for (line, kind, prefix) in [
            ("inspect k3", Kind::TaskOrJob, "k3"),
            ("wait a b ", Kind::TaskOrJob, ""),
            ("-o json logs ", Kind::Task, ""),
            ("job inspect j", Kind::Job, "j"),
            ("agent inspect ", Kind::Agent, ""),
            ("list --job x", Kind::Job, "x"),
            ("submit --depends-on a", Kind::Task, "a"),
        ] {
            let question = question_of(line).unwrap_or_else(|| panic!("nothing for '{line}'"));
            assert_eq!(
                (question.kind, question.prefix.as_str()),
                (kind, prefix),
                "{line}"
            );
        }
    }

    #[test]
    fn elsewhere_nothing_is_asked_for() {
        for line in [
            "",
            "ins",
            "inspect --",
            "run -- cat ",
            "list --state ",
            "job ",
            "frobnicate x ",
        ] {
            assert_eq!(question_of(line), None, "{line}");
        }
    }

    #[test]
    fn the_coordinator_that_the_line_names_is_the_one_to_ask() {
        for line in ["--coordinator lab:7 inspect k", "inspect --coordinator=lab:7 k"] {
            assert_eq!(
                question_of(line).unwrap().coordinator.as_deref(),
                Some("lab:7"),
                "{line}"
            );
        }
    }
}
