//! `swarmctl explain`: why a task is not running, and what would change that.

use std::collections::BTreeMap;

use prost_types::Timestamp;
use swarm_program::{
    exit::Exit,
    failure::Failure,
    words::{clean::clean_line, wrapped::wrapped},
};
use swarm_proto::{
    call::CallFailure,
    reason::Reason,
    v1::{
        AgentFit, Change, ExplainTaskRequest, Explanation, GetTaskRequest, Obstacle, Task, TaskState,
        change::What, task_spec::Work,
    },
};

use crate::{
    call::{
        client::Client,
        names,
        subject::{self, Finder, Subject},
    },
    output::{
        Output, change, last_words,
        names::Names,
        sheet::{Ink, Sheet},
        state, task, text,
    },
    program::{globals::Globals, value::LAST},
};

/// At most this many agents get a line of their own. The others are counted by reason; `-o json` has all.
const SHOWN_AGENTS: usize = 20;

/// The last lines of a failed task's output; `logs` shows all.
const LAST_LINES: usize = 10;

/// Characters of an agent's name.
const NAME_CHARS: usize = 20;

/// Indent of a change that does not fit below its obstacle or agent.
const LEAST_INDENT: usize = 4;

/// The widest text in columns, because long lines are hard to read.
const MAX_WIDTH: usize = 100;

const EXAMPLES: &str = "\
Examples:
  swarmctl explain k3v7q2mzdh                  what it waits for, and what to do about it
  swarmctl explain k3v7q2mzdh -o json          the same for a script
  swarmctl list --state queued,blocked -q      the tasks to ask about";

/// What to explain.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    /// The task; the beginning of its id will do; last is what you submitted last; - reads the id from stdin
    #[arg(value_name = "ID")]
    task: String,
}

/// Explains a task. A task that cannot run is an answer, not a failure.
///
/// # Errors
///
/// When there is no such task, or the coordinator refuses or cannot be reached.
pub async fn run(args: Args, globals: &Globals) -> anyhow::Result<Exit> {
    let output = Output::new(globals);
    let client = Client::open(globals)?;
    let id = subject::one_id(&args.task, "explain")?;
    let explanation = match explain(&client, &id).await {
        Ok(explanation) => explanation,
        Err(failure) => explain_meant(&client, &id, failure).await?,
    };
    let page = match output.wants_page() {
        true => page(&client, &explanation, &output).await,
        false => Sheet::default(),
    };
    output.one(&explanation, &explanation.task_id, page)?;
    Ok(Exit::Done)
}

async fn page(client: &Client, explanation: &Explanation, output: &Output) -> Sheet {
    let request = GetTaskRequest {
        task_id: explanation.task_id.clone(),
    };
    // Without the task, the explanation has fewer names and no output.
    let answer = client.call(request).await.unwrap_or_default();
    let task = answer.task.unwrap_or_default();
    let mut names = names::of_task(client, &task).await;
    for fit in &explanation.agents {
        names.know_agent(&fit.agent_id, &fit.name);
    }
    let page = Page {
        client,
        width: output.width().map(|width| width.min(MAX_WIDTH)),
        task: &task,
        names,
    };
    page.of(explanation)
}

async fn explain(client: &Client, task_id: &str) -> Result<Explanation, Box<CallFailure>> {
    let request = ExplainTaskRequest {
        task_id: task_id.to_owned(),
    };
    Ok(client.call(request).await?.explanation.unwrap_or_default())
}

/// Explains the task behind a text that is no task's id. A person who names a job is told so.
async fn explain_meant(client: &Client, id: &str, failure: Box<CallFailure>) -> anyhow::Result<Explanation> {
    let doing = format!("cannot explain {id}");
    if !matches!(
        failure.reason(),
        Some(Reason::TaskNotFound | Reason::FieldInvalid)
    ) {
        return Err(client.failure(doing)(failure));
    }
    let found = if id == LAST {
        let task = Finder::to_look(client).find_task(id, &doing).await?;
        task.map(|task| Subject::Task(Box::new(task)))
    } else {
        Finder::to_look(client)
            .find(id, &doing)
            .await?
            .map(|(subject, _)| subject)
    };
    match found {
        Some(Subject::Task(task)) => {
            let explained = explain(client, &task.task_id).await;
            explained.map_err(client.failure(doing))
        }
        Some(Subject::Agent(_)) | None => Err(subject::no_task(client, id, &doing).into()),
        Some(Subject::Job(job)) => {
            let sentence = format!("{id} is a job, and only a task can be explained");
            let list = client.next(&format!("list {}", job.job_id));
            Err(Failure::new(Exit::NotFound, sentence)
                .help(format!("its tasks: {list}"))
                .into())
        }
    }
}

/// The explanation for people.
struct Page<'a> {
    client: &'a Client,
    width: Option<usize>,
    task: &'a Task,
    names: Names,
}

impl Page<'_> {
    fn of(&self, explanation: &Explanation) -> Sheet {
        // A single obstacle may repeat the summary.
        let only = match explanation.obstacles.as_slice() {
            [only] if only.message == explanation.summary => Some(only),
            _ => None,
        };
        let mut sheet = self.headline(explanation, only);
        if self.task.state() == TaskState::Failed {
            let words = last_words::of(self.task, LAST_LINES);
            if words.height() > 0 {
                sheet.blank().append(words);
            }
        }
        if only.is_none() && !explanation.obstacles.is_empty() {
            sheet.section("in the way");
            for obstacle in &explanation.obstacles {
                sheet.text(&self.obstacle(obstacle, explanation.change.as_ref()));
            }
        }
        if !explanation.agents.is_empty() {
            sheet.section("agents").text(&self.agents(explanation));
        }
        if let Some(change) = &explanation.change {
            sheet.blank().line([
                (Ink::Faint, advised(change).to_owned()),
                (Ink::Strong, self.command(change)),
            ]);
        }
        if let Some(advice) = advice(self.task) {
            sheet
                .blank()
                .lines(Ink::Notable, wrapped("", &advice, self.width).trim_end());
        }
        sheet
    }

    /// The state, and why it is so.
    fn headline(&self, explanation: &Explanation, only: Option<&Obstacle>) -> Sheet {
        let until = only.and_then(|only| only.until.as_ref());
        let summary = match self.ended() {
            Some(ended) => ended,
            None => self.with_time(&explanation.summary, &explanation.obstacles, until),
        };
        let state = state::task(explanation.state());
        let headline = wrapped("", &format!("{state}: {summary}"), self.width);
        let mut lines = headline.lines();
        let mut sheet = Sheet::default();
        match lines.next().and_then(|first| first.strip_prefix(state)) {
            Some(behind) => {
                sheet.line([(Ink::Plain, state.to_owned()), (Ink::Strong, behind.to_owned())]);
            }
            None => {
                sheet.lines(Ink::Strong, headline.lines().next().unwrap_or_default());
            }
        }
        lines.for_each(|line| {
            sheet.lines(Ink::Strong, line);
        });
        sheet
    }

    /// How a task ended that its attempts tell more of than a sentence: `exit 3 (3 tries), on lab-1, 2m ago`.
    fn ended(&self) -> Option<String> {
        let task = self.task;
        let newest = task.attempts.last()?;
        let agent = self.names.agent(&newest.agent_id);
        let ago = text::ago(task.end_time.as_ref());
        match task.state() {
            TaskState::Failed => {
                // What the coordinator knows beside the count of failures.
                let more = task.reason.split_once(": ");
                let more = more.map_or_else(String::new, |(_, more)| format!("; {more}"));
                let why = task::why(task, &self.names);
                Some(format!("{why}, on {agent}, {ago}{more}"))
            }
            TaskState::Succeeded => {
                let took =
                    task::took(task).map_or_else(String::new, |took| format!(", took {}", text::took(took)));
                Some(format!("on {agent}{took}, {ago}"))
            }
            _ => None,
        }
    }

    /// A sentence of the coordinator for people: with names, and with times of this zone.
    fn with_time(&self, message: &str, obstacles: &[Obstacle], until: Option<&Timestamp>) -> String {
        let ids = obstacles.iter().map(|obstacle| obstacle.task_id.as_str());
        let message = clean_line(&self.names.in_sentence(message, ids));
        with_time(&message, until)
    }

    fn obstacle(&self, obstacle: &Obstacle, told_change: Option<&Change>) -> String {
        let first = format!("{}- ", "  ".repeat(obstacle.depth as usize + 1));
        let message = self.with_time(
            &obstacle.message,
            std::slice::from_ref(obstacle),
            obstacle.until.as_ref(),
        );
        let mut lines = wrapped(&first, &message, self.width);
        if let Some(change) = &obstacle.change
            && told_change != Some(change)
        {
            lines.push_str(&self.change(first.len(), change));
        }
        lines
    }

    fn agents(&self, explanation: &Explanation) -> String {
        let (shown, others) = explanation
            .agents
            .split_at(explanation.agents.len().min(SHOWN_AGENTS));
        let rows: Vec<(String, String, &AgentFit)> = shown
            .iter()
            .map(|fit| {
                (
                    shortened(&self.names.agent(&fit.agent_id)),
                    clean_line(&fit.kind),
                    fit,
                )
            })
            .collect();
        let names = rows
            .iter()
            .map(|(name, ..)| name.chars().count())
            .max()
            .unwrap_or(0);
        let kinds = rows
            .iter()
            .map(|(_, kind, _)| kind.chars().count())
            .max()
            .unwrap_or(0);
        let mut lines = String::new();
        for (name, kind, fit) in &rows {
            let first = format!("  {name:names$}  {kind:kinds$}  ");
            lines.push_str(&wrapped(
                &first,
                &with_time(&fit.message, fit.until.as_ref()),
                self.width,
            ));
            if let Some(change) = &fit.change
                && explanation.change.as_ref() != Some(change)
            {
                lines.push_str(&self.change(first.chars().count(), change));
            }
        }
        let unlisted = (explanation.agent_count as usize).saturating_sub(explanation.agents.len());
        if others.len() + unlisted > 0 {
            let line = format!(
                "and {} more: {}",
                others.len() + unlisted,
                counted_kinds(others, unlisted)
            );
            lines.push_str(&wrapped("  ", &line, self.width));
        }
        lines
    }

    /// A change below its obstacle or agent; further to the left if it would not fit.
    fn change(&self, indent: usize, change: &Change) -> String {
        let line = format!("{}{}", advised(change), self.command(change));
        let fits = self
            .width
            .is_none_or(|width| indent + line.chars().count() <= width);
        let indent = if fits { indent } else { LEAST_INDENT };
        format!("{}{line}\n", " ".repeat(indent))
    }

    /// A command line for this coordinator. It is never wrapped, so that it can be copied.
    fn command(&self, change: &Change) -> String {
        change::command(change, self.client.address())
    }
}

/// What stands before the command line of a change.
fn advised(change: &Change) -> &'static str {
    match (&change.what, change.or_wait) {
        (Some(What::StartAgent(_)), true) => "wait, or add an agent: ",
        (_, true) => "wait, or: ",
        (_, false) => "change: ",
    }
}

/// The name, cut where it would leave no room for the reason.
fn shortened(name: &str) -> String {
    let name = clean_line(name);
    match name.char_indices().nth(NAME_CHARS) {
        Some(_) => name.chars().take(NAME_CHARS - 1).chain(['…']).collect(),
        None => name,
    }
}

fn with_time(message: &str, until: Option<&Timestamp>) -> String {
    let message = text::with_local_times(&clean_line(message));
    let time = text::at(until);
    if until.is_none() || message.contains(&time) {
        message
    } else {
        format!("{message} (until {time})")
    }
}

/// What to do about a program that was looked for in the empty directory of an attempt.
fn advice(task: &Task) -> Option<String> {
    /// Codes of a shell that cannot start a program.
    const CANNOT_START: [i32; 2] = [126, 127];
    let Some(Work::Command(command)) = task.spec.as_ref()?.work.as_ref() else {
        return None;
    };
    let last = task
        .attempts
        .last()
        .filter(|_| task.state() == TaskState::Failed)?;
    let cannot_start =
        last.failure_reason == "spawn" || last.exit_code.is_some_and(|code| CANNOT_START.contains(&code));
    let words = command.argv.iter().flat_map(|word| word.split_whitespace());
    let mut relative = words.filter(|word| word.starts_with("./") || word.starts_with("../"));
    let program = relative
        .next()
        .filter(|_| cannot_start && command.cwd.is_empty())?;
    Some(format!(
        "a task runs in a fresh, empty directory, where {program} is not: submit it with --cwd \"$PWD\" if its agent \
         has this directory too"
    ))
}

/// `60 busy, 20 label`, in alphabetical order.
fn counted_kinds(fits: &[AgentFit], unlisted: usize) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for fit in fits {
        *counts.entry(&fit.kind).or_default() += 1;
    }
    let mut parts: Vec<String> = counts
        .iter()
        .map(|(kind, count)| format!("{count} {kind}"))
        .collect();
    if unlisted > 0 {
        parts.push(format!("{unlisted} not looked at"));
    }
    clean_line(&parts.join(", "))
}
