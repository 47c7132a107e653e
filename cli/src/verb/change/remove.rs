//! `swarmctl remove`: removes ended tasks before their time, so that their ids are free again.

use jiff::Timestamp;
use swarm_program::exit::Exit;
use swarm_proto::{
    reason::Reason,
    v1::{RemoveTask, RemoveTasksRequest, Task, TaskChange, TaskState},
};

use super::{
    bulk::{Action, Caution, FoundTask},
    changes,
    named::Named,
};
use crate::{
    call::{client::Client, pages::Pages, subject},
    output::Output,
    program::{globals::Globals, past, terminal::note},
    verb::look::filter::Filter,
};

/// The final states.
const ENDED: &[TaskState] = &[
    TaskState::Succeeded,
    TaskState::Failed,
    TaskState::Cancelled,
    TaskState::Skipped,
];

/// Tasks of one request: the coordinator has them in memory meanwhile, and of the largest no more.
const REMOVED_TOGETHER: usize = 250;

const REMOVE: Action = Action {
    verb: "remove",
    done: "removed",
    possible: ENDED,
    otherwise: "not ended",
    usual: ENDED,
    usually: "has ended",
    unless: "; what another task needs stays",
};

const EXAMPLES: &str = "\
Examples:
  swarmctl remove k3v7q2mzdh                   one ended task; its id is free again
  swarmctl remove nightly                      the ended tasks of a job, by its name: of its newest run
  swarmctl remove --ended-before 2d            whatever ended longer ago; asks first
  swarmctl remove --job nightly --state succeeded --yes";

const USAGE: &str = "\
swarmctl remove [OPTIONS] <ID>...
       swarmctl remove [OPTIONS] --ended-before WHEN, --job JOB, --queue QUEUE, --state STATE, \
       --label TERM, --agent AGENT or --text TEXT";

const KEPT: &str = "\
Ended tasks are removed by themselves 7 days after their end (coordinator --keep-tasks). A task stays as long as
another one depends on it that has not ended, or was skipped and may come back. Events about removed tasks are kept.";

/// What to remove.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES, override_usage = USAGE, after_help = KEPT)]
pub struct Args {
    /// Ended tasks, and jobs, these also by name, whose ended tasks are meant; last is what you submitted last;
    /// the beginning of an id asks first; - reads ids from stdin, one a line
    #[arg(
        required_unless_present_any = ["ended_before", "Filter"],
        conflicts_with_all = ["ended_before", "Filter"],
        value_name = "ID"
    )]
    ids: Vec<String>,
    /// Only tasks that ended longer ago than this, or before this time, such as 2d or 2026-03-01
    #[arg(long, value_name = "WHEN", value_parser = past::parse, help_heading = "Which tasks")]
    ended_before: Option<Timestamp>,
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    caution: Caution,
}

/// Removes tasks; exits with 3 if any was refused.
///
/// # Errors
///
/// When any was refused, or the coordinator cannot be reached.
pub async fn run(args: Args, globals: &Globals) -> anyhow::Result<Exit> {
    let client = Client::open(globals)?;
    if !args.ids.is_empty() {
        return named(&args, &client, globals).await;
    }
    let request = REMOVE.request(&args.filter, args.caution, &client).await?;
    let mut pages = Pages::new(&client, request);
    if let Some(before) = args.ended_before.map(past::wire) {
        pages = pages.only(move |task: &Task| {
            let ended = task.end_time.map(|end| (end.seconds, end.nanos));
            ended.is_some_and(|ended| ended < (before.seconds, before.nanos))
        });
    }
    // Each with the revision that was found: a task that came back since is not removed at its next end.
    let change =
        async |found: Vec<FoundTask>, changes: &mut Vec<TaskChange>| remove(&client, &found, changes).await;
    REMOVE
        .of_pages(pages, args.caution, &client, globals, change)
        .await
}

/// Removes the named tasks, and the ended ones of named jobs as far as nothing needs them.
async fn named(args: &Args, client: &Client, globals: &Globals) -> anyhow::Result<Exit> {
    let output = Output::new(globals);
    let (ids, change) = (subject::ids(&args.ids)?, args.caution.change(REMOVE));
    let named = Named::find(client, &ids, REMOVE, change).await?;
    if args.caution.dry_run {
        return named.list(REMOVE, client, globals).await;
    }
    let Named {
        tasks,
        of_jobs,
        unknown,
    } = named;
    let found: Vec<FoundTask> = tasks.into_iter().map(FoundTask::from).collect();
    let mut removed = Vec::with_capacity(found.len());
    if let Err(error) = remove(client, &found, &mut removed).await {
        let changes: Vec<TaskChange> = unknown.into_iter().chain(removed).collect();
        REMOVE.tell_begun(&changes, &output)?;
        return Err(error);
    }
    let (stayed, removed): (Vec<TaskChange>, Vec<TaskChange>) = removed
        .into_iter()
        .partition(|change| is_needed(change) && of_jobs.contains(&change.task_id));
    if !stayed.is_empty() {
        note(changes::stayed(stayed.len()));
    }
    let changes: Vec<TaskChange> = unknown.into_iter().chain(removed).collect();
    changes::tell(&changes, &output, "cannot remove", globals)
}

/// Removes tasks as they were found. `changes` has the answers in their order; before an error, those that came.
async fn remove(client: &Client, found: &[FoundTask], changes: &mut Vec<TaskChange>) -> anyhow::Result<()> {
    let mut answers = vec![None; found.len()];
    let removed = remove_in_batches(client, found, &mut answers).await;
    let is_repeated = client.has_lost_an_answer();
    for (answer, task) in answers.into_iter().zip(found) {
        let Some(mut change) = answer else { continue };
        // The request whose answer was lost has removed it.
        if is_repeated && changes::reason(&change) == Some(Reason::TaskNotFound) {
            change.refusal = None;
            change.set_state(task.state);
        }
        changes.push(change);
    }
    removed
}

async fn remove_in_batches(
    client: &Client,
    found: &[FoundTask],
    answers: &mut [Option<TaskChange>],
) -> anyhow::Result<()> {
    // What depends on a task was mostly submitted after it.
    let mut left: Vec<usize> = (0..found.len()).rev().collect();
    // A task may be needed by one of a later request. Fewer are left each time, so this ends.
    loop {
        for batch in left.chunks(REMOVED_TOGETHER) {
            let tasks = batch.iter().map(|&index| RemoveTask {
                task_id: found[index].task_id.clone(),
                revision: Some(found[index].revision),
            });
            let request = RemoveTasksRequest {
                tasks: tasks.collect(),
            };
            let answer = client.call(request).await;
            let results = answer.map_err(client.failure("cannot remove"))?.results;
            for (&index, change) in batch.iter().zip(results) {
                answers[index] = Some(change);
            }
        }
        let is_needed = |index: &usize| answers[*index].as_ref().is_some_and(is_needed);
        let needed: Vec<usize> = left.iter().copied().filter(is_needed).collect();
        if left.len() <= REMOVED_TOGETHER || needed.is_empty() || needed.len() == left.len() {
            return Ok(());
        }
        left = needed;
    }
}

fn is_needed(change: &TaskChange) -> bool {
    changes::reason(change) == Some(Reason::TaskNeeded)
}
