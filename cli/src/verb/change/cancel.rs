//! `swarmctl cancel`: cancels tasks, the unended tasks of jobs, and the tasks of a filter.

use swarm_program::exit::Exit;
use swarm_proto::{
    limits::MAX_ITEMS,
    v1::{CancelTasksRequest, TaskChange, TaskState},
};

use super::{
    bulk::{Action, Caution, FoundTask},
    changes,
    named::Named,
};
use crate::{
    call::{client::Client, subject},
    output::{Output, text},
    program::{globals::Globals, terminal::note},
    verb::look::filter::Filter,
};

/// The states in which a task can be cancelled.
const UNENDED: &[TaskState] = &[
    TaskState::Blocked,
    TaskState::Delayed,
    TaskState::Queued,
    TaskState::Running,
    TaskState::Waiting,
];

const CANCEL: Action = Action {
    verb: "cancel",
    done: "cancelled",
    possible: UNENDED,
    otherwise: "ended",
    usual: UNENDED,
    usually: "can be cancelled",
    unless: "",
};

const EXAMPLES: &str = "\
Examples:
  swarmctl cancel k3v7q2mzdh                   one task; a running one is ended on its agent
  swarmctl cancel nightly                      all tasks of a job, by its name: of its newest run
  swarmctl cancel --job nightly --label team=a  a part of a job; asks first
  swarmctl cancel --queue slow --state queued  all that wait in a queue; asks first
  swarmctl list --state queued -q | swarmctl cancel -";

const USAGE: &str = "\
swarmctl cancel [OPTIONS] <ID>...
       swarmctl cancel [OPTIONS] --job JOB, --queue QUEUE, --state STATE, --label TERM, --agent AGENT or --text TEXT
       swarmctl cancel [OPTIONS] --all";

/// What to cancel.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES, override_usage = USAGE)]
pub struct Args {
    /// Tasks and jobs, these also by name; last is what you submitted last; the beginning of an id asks first; - reads
    /// ids from stdin, one a line
    #[arg(
        required_unless_present_any = ["all", "Filter"],
        conflicts_with_all = ["all", "Filter"],
        value_name = "ID"
    )]
    ids: Vec<String>,
    /// Every task that has not ended
    #[arg(long, conflicts_with = "Filter", help_heading = "Which tasks")]
    all: bool,
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    caution: Caution,
}

/// Cancels; exits with 3 if any was refused.
///
/// # Errors
///
/// When the coordinator refuses the whole request or cannot be reached.
pub async fn run(args: Args, globals: &Globals) -> anyhow::Result<Exit> {
    let client = Client::open(globals)?;
    if !args.ids.is_empty() {
        return named(&args, &client, globals).await;
    }
    let change = async |found: Vec<FoundTask>, changes: &mut Vec<TaskChange>| {
        let ids = found.into_iter().map(|task| task.task_id);
        cancel(&client, ids.collect(), changes).await
    };
    CANCEL
        .of_filter(&args.filter, args.caution, &client, globals, change)
        .await
}

/// Cancels the named tasks, and the unended ones of named jobs. All words are looked up before anything is cancelled.
async fn named(args: &Args, client: &Client, globals: &Globals) -> anyhow::Result<Exit> {
    let output = Output::new(globals);
    let (ids, change) = (subject::ids(&args.ids)?, args.caution.change(CANCEL));
    let named = Named::find(client, &ids, CANCEL, change).await?;
    if args.caution.dry_run {
        return named.list(CANCEL, client, globals).await;
    }
    let Named { tasks, unknown, .. } = named;
    let mut changes = Vec::with_capacity(tasks.len() + unknown.len());
    let ids = tasks.into_iter().map(|task| task.task_id);
    let cancelled = cancel(client, ids.collect(), &mut changes).await;
    changes.extend(unknown);
    if cancelled.is_err() {
        CANCEL.tell_begun(&changes, &output)?;
    }
    cancelled?;
    tell_running(&changes);
    changes::tell(&changes, &output, "cannot cancel", globals)
}

/// Tells whose end is still to come: a table says of them that they run.
fn tell_running(changes: &[TaskChange]) {
    let (accepted, _) = changes::split(changes);
    let running = accepted
        .iter()
        .filter(|change| change.state() == TaskState::Running);
    let ids: Vec<&str> = running.map(|change| change.task_id.as_str()).collect();
    match ids.as_slice() {
        [] => {}
        [id] => note(format!(
            "{id} runs until its agent, which is told now, has ended it"
        )),
        ids => note(format!(
            "{} run until their agents, which are told now, have ended them",
            text::counted(ids.len() as u64, "task")
        )),
    }
}

/// Cancels tasks in batches. `changes` also has the answers before an error.
async fn cancel(client: &Client, ids: Vec<String>, changes: &mut Vec<TaskChange>) -> anyhow::Result<()> {
    for batch in ids.chunks(MAX_ITEMS) {
        let request = CancelTasksRequest {
            task_ids: batch.to_vec(),
        };
        let answer = client.call(request).await;
        changes.extend(answer.map_err(client.failure("cannot cancel"))?.results);
    }
    Ok(())
}
