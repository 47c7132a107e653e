//! `swarmctl cancel`: cancels tasks, the unended tasks of jobs, and the tasks of a filter.

use swarm_program::exit::Exit;
use swarm_proto::{
    limits::MAX_ITEMS,
    reason::Reason,
    v1::{CancelTasksRequest, ListTasksRequest, Task, TaskChange, TaskState},
};

use super::{
    bulk::{Action, Caution, FoundTask},
    changes,
};
use crate::{
    call::{
        client::Client,
        names,
        pages::Pages,
        subject::{self, Change, Finder, Subject},
    },
    output::{Output, state, task, text},
    program::{
        globals::Globals,
        terminal::note,
        value::{self, LAST},
    },
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

/// Of so many cancelled tasks a person is told that a job is called alike.
const MAX_TOLD_APART: usize = 10;

const CANCEL: Action = Action {
    verb: "cancel",
    done: "cancelled",
    possible: UNENDED,
    otherwise: "they have ended",
    usual: UNENDED,
    usually: "can be cancelled",
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
    let output = Output::new(globals);
    let client = Client::open(globals)?;
    if !args.ids.is_empty() {
        let ids = subject::ids(&args.ids)?;
        let change = args.caution.change(CANCEL);
        if args.caution.dry_run {
            return list_named(&client, &ids, change, &output).await;
        }
        let mut changes = Vec::with_capacity(ids.len());
        let cancelled = cancel_named(&client, ids, change, &mut changes).await;
        if cancelled.is_err() && !changes.is_empty() {
            // What was cancelled before stays so, and is told.
            changes::tell_accepted(&changes, &output)?;
        }
        cancelled?;
        tell_running(&changes);
        return changes::tell(&changes, &output, "cannot cancel", globals);
    }
    let change = async |found: Vec<FoundTask>| {
        let ids: Vec<String> = found.into_iter().map(|task| task.task_id).collect();
        cancel(&client, &ids).await
    };
    CANCEL
        .of_filter(&args.filter, args.caution, &client, globals, change)
        .await
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

/// Cancels what the words mean; whole ids of tasks first, with one request. `changes` also has what was cancelled
/// before an error.
async fn cancel_named(
    client: &Client,
    ids: Vec<String>,
    change: Change,
    changes: &mut Vec<TaskChange>,
) -> anyhow::Result<()> {
    // A text that cannot be an id may still be a job's name.
    let (possible, other): (Vec<String>, Vec<String>) = ids
        .into_iter()
        .partition(|id| id != LAST && value::check_id(id).is_ok());
    let mut unknown = Vec::new();
    for change in cancel(client, &possible).await? {
        match changes::reason(&change) {
            Some(Reason::TaskNotFound) => unknown.push(change),
            _ => changes.push(change),
        }
    }
    for change in &changes[..changes.len().min(MAX_TOLD_APART)] {
        let doing = format!("cannot look for {}", change.task_id);
        Finder::to_look(client)
            .tell_task_before_job(&change.task_id, &doing)
            .await?;
    }
    unknown.extend(other.iter().map(|id| changes::unknown(id)));
    let finder = Finder::to_change(client, change);
    for change in unknown {
        let doing = format!("cannot cancel {}", change.task_id);
        match finder.find_no_whole_task_id(&change.task_id, &doing).await? {
            Some((Subject::Agent(_), _)) | None => changes.push(change),
            Some((Subject::Task(task), _)) => changes.extend(cancel(client, &[task.task_id]).await?),
            Some((Subject::Job(job), _)) => {
                let tasks = unended_tasks(client, job.job_id).await?;
                if tasks.is_empty() {
                    note(format!("job {}: all of its tasks have ended", change.task_id));
                }
                let ids: Vec<String> = tasks.into_iter().map(|task| task.task_id).collect();
                changes.extend(cancel(client, &ids).await?);
            }
        }
    }
    Ok(())
}

/// Lists the tasks that `cancel_named` would cancel.
async fn list_named(
    client: &Client,
    ids: &[String],
    change: Change,
    output: &Output,
) -> anyhow::Result<Exit> {
    let mut tasks = Vec::new();
    for id in ids {
        let doing = format!("cannot look for {id}");
        match Finder::to_change(client, change).find(id, &doing).await? {
            Some((Subject::Task(task), _)) if state::is_final(task.state()) => {
                note(format!(
                    "{} has ended: it is {}",
                    task.task_id,
                    state::word(task.state())
                ));
            }
            Some((Subject::Task(task), _)) => tasks.push(*task),
            Some((Subject::Job(job), _)) => tasks.extend(unended_tasks(client, job.job_id).await?),
            Some((Subject::Agent(_), _)) | None => return Err(subject::nothing_named(client, id).into()),
        }
    }
    output.list(&task::listing(&tasks, &names::for_people(client, output).await))?;
    CANCEL.tell_dry_run(tasks.len());
    Ok(Exit::Done)
}

async fn cancel(client: &Client, ids: &[String]) -> anyhow::Result<Vec<TaskChange>> {
    let mut changes = Vec::with_capacity(ids.len());
    for batch in ids.chunks(MAX_ITEMS) {
        let request = CancelTasksRequest {
            task_ids: batch.to_vec(),
        };
        let answer = client.call(request).await;
        changes.extend(answer.map_err(client.failure("cannot cancel"))?.results);
    }
    Ok(changes)
}

/// The tasks of a job that have not ended.
async fn unended_tasks(client: &Client, job_id: String) -> anyhow::Result<Vec<Task>> {
    let filter = ListTasksRequest {
        job_id,
        states: UNENDED.iter().map(|state| (*state).into()).collect(),
        ..ListTasksRequest::default()
    };
    let mut pages = Pages::new(client, filter);
    let mut tasks = Vec::new();
    while let Some(page) = pages.next(MAX_ITEMS).await? {
        tasks.extend(page);
    }
    Ok(tasks)
}
