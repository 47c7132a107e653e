//! `swarmctl complete-ids`: the names and ids that complete a half-typed command line. Completion scripts run it at
//! every press of a key, so it answers quickly or not at all, and reports no failures.
//!
//! Names come before ids, and the newest first. Ids of tasks mean little to people: without a beginning only the newest
//! are offered, each with what the task does.

use std::{collections::BTreeSet, time::Duration};

use clap::{Arg, ArgAction, Command};
use swarm_program::{exit::Exit, words::clean::clean_line};
use swarm_proto::{
    channel::{self, Address},
    unary::{self, Unary},
    v1::{
        Agent, FindIdsRequest, FindIdsResponse, Job, ListAgentsRequest, ListJobsRequest, ListTasksRequest,
        Task,
    },
};
use tokio::time::timeout;
use tonic::transport::Channel;

use crate::{
    output::{Output, counts, state, task},
    program::{globals::Globals, terminal::write_stdout, value},
};

/// The verb's name.
pub const VERB: &str = "complete-ids";

/// The longest wait after a press of a key, connection and answers together.
const PATIENCE: Duration = Duration::from_millis(500);

/// At most this many words; more are no help in a terminal.
const MOST_WORDS: usize = 100;

/// At most this many tasks when nothing is typed yet.
const NEWEST_TASKS: u32 = 20;

/// Jobs among which names are looked for.
const NEWEST_JOBS: u32 = 200;

/// Agents among which names are looked for.
const MOST_AGENTS: u32 = 1_000;

/// Characters of a description.
const DESCRIPTION_CHARS: usize = 50;

/// The words behind the program's name.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print a tab and a description behind each word
    #[arg(long)]
    described: bool,
    /// The words typed so far; the last one is unfinished
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

/// The kind of thing that an argument names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A task, a job or an agent.
    Anything,
    TaskOrJob,
    Task,
    Job,
    Agent,
    /// An agent by its name, where an id means none.
    AgentName,
    Queue,
    Priority,
}

/// The question that a half-typed command line asks.
#[derive(Debug, PartialEq, Eq)]
struct Question {
    kind: Kind,
    prefix: String,
    coordinator: Option<String>,
}

/// A word that may stand there, and what it means.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Word {
    word: String,
    description: String,
}

/// Prints the words.
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
    let words = match address {
        _ if question.kind == Kind::Priority => priorities(&question.prefix),
        Some(address) => match timeout(PATIENCE, ask(&address, &question)).await {
            Ok(words) => words.unwrap_or_default(),
            Err(_elapsed) => Vec::new(),
        },
        None => Vec::new(),
    };
    let output = Output::new(globals);
    let mut printed = BTreeSet::new();
    for Word { word, description } in &words {
        if printed.len() == MOST_WORDS || !printed.insert(word) {
            continue;
        }
        match args.described && !description.is_empty() {
            true => {
                let (word, description) = (clean_line(word), clean_line(&short(description)));
                write_stdout(format!("{word}\t{description}\n").as_bytes())?;
            }
            false => output.line(word)?,
        }
    }
    Ok(Exit::Done)
}

fn priorities(prefix: &str) -> Vec<Word> {
    let begins = value::PRIORITIES
        .iter()
        .filter(|(name, _)| name.starts_with(prefix));
    begins
        .map(|(name, number)| Word {
            word: (*name).to_owned(),
            description: number.to_string(),
        })
        .collect()
}

/// The words for a question, the best first; `None` when the coordinator does not answer.
async fn ask(address: &Address, question: &Question) -> Option<Vec<Word>> {
    let channel = channel::open(address).ok()?;
    let (kind, prefix) = (question.kind, question.prefix.as_str());
    let mut words = Vec::new();
    if kind.is_job() {
        let newest = ListJobsRequest {
            newest_first: true,
            page_size: NEWEST_JOBS,
            ..ListJobsRequest::default()
        };
        words.extend(send(&channel, newest).await?.jobs.iter().map(job));
    }
    if kind.is_agent() {
        let there = ListAgentsRequest {
            page_size: MOST_AGENTS,
            ..ListAgentsRequest::default()
        };
        let agents = send(&channel, there).await?.agents;
        let by_name = |agent: &&Agent| kind != Kind::AgentName || has_a_word(agent);
        words.extend(agents.iter().filter(by_name).map(agent));
    }
    if kind.is_task() && prefix.is_empty() {
        let newest = ListTasksRequest {
            newest_first: true,
            page_size: NEWEST_TASKS,
            ..ListTasksRequest::default()
        };
        words.extend(send(&channel, newest).await?.tasks.iter().map(described_task));
    }
    words.retain(|word| word.word.starts_with(prefix));
    if kind == Kind::Queue || !prefix.is_empty() {
        let request = FindIdsRequest {
            prefix: prefix.to_owned(),
            limit: MOST_WORDS as u32,
        };
        let found = kind.of(send(&channel, request).await?);
        words.extend(found.into_iter().map(|word| Word {
            word,
            description: String::new(),
        }));
    }
    Some(words)
}

async fn send<Q: Unary>(channel: &Channel, request: Q) -> Option<Q::Answer> {
    let answer = unary::send(channel.clone(), request).await;
    Some(answer.ok()?.into_inner())
}

/// A job by its name, if that is a word that needs no quotes.
fn job(job: &Job) -> Word {
    let in_states = job.counts.unwrap_or_default();
    let id = &job.job_id;
    match value::check_id(&job.name) {
        Ok(()) => Word {
            word: job.name.clone(),
            description: format!("job {id}: {}", counts::in_words(&in_states)),
        },
        Err(_) => Word {
            word: id.clone(),
            description: format!("job {}: {}", job.name, counts::in_words(&in_states)),
        },
    }
}

/// Whether an agent's name is a word that needs no quotes.
fn has_a_word(agent: &Agent) -> bool {
    value::check_id(&agent.name).is_ok()
}

fn agent(agent: &Agent) -> Word {
    Word {
        word: if has_a_word(agent) {
            &agent.name
        } else {
            &agent.agent_id
        }
        .clone(),
        description: format!("agent {}: {}", agent.agent_id, state::agent(agent.state())),
    }
}

fn described_task(task: &Task) -> Word {
    let what = task.spec.as_ref().map(task::what).unwrap_or_default();
    Word {
        word: task.task_id.clone(),
        description: format!("{}: {what}", state::word(task.state())),
    }
}

fn short(description: &str) -> String {
    match description.char_indices().nth(DESCRIPTION_CHARS) {
        Some((end, _)) => format!("{}…", &description[..end]),
        None => description.to_owned(),
    }
}

impl Kind {
    fn is_task(self) -> bool {
        matches!(self, Kind::Anything | Kind::TaskOrJob | Kind::Task)
    }

    fn is_job(self) -> bool {
        matches!(self, Kind::Anything | Kind::TaskOrJob | Kind::Job)
    }

    fn is_agent(self) -> bool {
        matches!(self, Kind::Anything | Kind::Agent | Kind::AgentName)
    }

    fn of(self, found: FindIdsResponse) -> Vec<String> {
        match self {
            Kind::Anything => [found.task_ids, found.job_ids, found.agent_ids].concat(),
            Kind::TaskOrJob => [found.task_ids, found.job_ids].concat(),
            Kind::Task => found.task_ids,
            Kind::Job => found.job_ids,
            Kind::Agent => found.agent_ids,
            Kind::Queue => found.queues,
            Kind::AgentName | Kind::Priority => Vec::new(),
        }
    }

    /// The kind that an argument takes: a flag's by its name, a position's by the noun or verb before it.
    fn taken_by(arg: &Arg, path: &[&str]) -> Option<Kind> {
        let name = arg.get_id().as_str();
        if !arg.is_positional() {
            return match name {
                "task" | "tasks" | "depends_on" => Some(Kind::Task),
                "job" | "jobs" => Some(Kind::Job),
                // It becomes a label that the task requires.
                "agent" if matches!(path, ["submit" | "run"]) => Some(Kind::AgentName),
                "agent" | "agents" => Some(Kind::Agent),
                "queue" | "queues" => Some(Kind::Queue),
                "priority" => Some(Kind::Priority),
                _ => None,
            };
        }
        match (path, name) {
            (["agent", ..] | ["drain" | "undrain"], _) | (_, "agent" | "agents") => Some(Kind::Agent),
            (["queue", ..], _) | (_, "queue" | "queues") => Some(Kind::Queue),
            (["job", ..] | ["list"], _) | (_, "job" | "jobs") => Some(Kind::Job),
            (["lease", ..], _) | (_, "task" | "tasks") => Some(Kind::Task),
            (["inspect" | "events"], "id" | "ids") => Some(Kind::Anything),
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
            ("inspect k3", Kind::Anything, "k3"),
            ("events ", Kind::Anything, ""),
            ("cancel k3", Kind::TaskOrJob, "k3"),
            ("list ni", Kind::Job, "ni"),
            ("events --job ni", Kind::Job, "ni"),
            ("lease release k3", Kind::Task, "k3"),
            ("submit --priority h", Kind::Priority, "h"),
            ("wait a b ", Kind::TaskOrJob, ""),
            ("-o json logs ", Kind::Task, ""),
            ("job inspect j", Kind::Job, "j"),
            ("agent inspect ", Kind::Agent, ""),
            ("list --job x", Kind::Job, "x"),
            ("submit --depends-on a", Kind::Task, "a"),
            ("submit --agent l", Kind::AgentName, "l"),
            ("list --agent l", Kind::Agent, "l"),
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
