//! `swarmctl retry`: brings ended tasks back with fresh counts of tries.

use swarm_program::exit::Exit;
use swarm_proto::{
    limits::MAX_ITEMS,
    v1::{ListTasksRequest, RetryTask, RetryTasksRequest, Task, TaskChange, TaskState},
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
    output::{Output, task},
    program::{globals::Globals, terminal::note},
    verb::look::filter::{Filter, State},
};

const RETRY: Action = Action {
    verb: "retry",
    done: "retried",
    possible: &[
        TaskState::Succeeded,
        TaskState::Failed,
        TaskState::Cancelled,
        TaskState::Skipped,
    ],
    otherwise: "they have not ended",
    // A skipped task comes back with the task that caused the skip.
    usual: &[TaskState::Failed, TaskState::Cancelled],
};

const EXAMPLES: &str = "\
Examples:
  swarmctl retry k3v7q2mzdh                    one task, and what was skipped because of it
  swarmctl retry nightly                       the failed and cancelled tasks of a job, by its name
  swarmctl retry --failed                      every failed task; asks first
  swarmctl retry --failed --job nightly --yes  those of one job, without a question";

const USAGE: &str = "\
swarmctl retry [OPTIONS] <ID>...
       swarmctl retry [OPTIONS] --failed, --job JOB, --queue QUEUE, --state STATE, \
       --label TERM, --agent AGENT or --text TEXT
       swarmctl retry [OPTIONS] --all";

/// What to bring back.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES, override_usage = USAGE)]
pub struct Args {
    /// Tasks, and jobs, these also by name, of which the failed and cancelled tasks are meant; last is what you
    /// submitted last; the beginning of an id asks first; - reads ids from stdin, one a line
    #[arg(
        required_unless_present_any = ["all", "failed", "Filter"],
        conflicts_with_all = ["all", "failed", "Filter"],
        value_name = "ID"
    )]
    ids: Vec<String>,
    /// Failed tasks: short for --state failed
    #[arg(long, conflicts_with_all = ["all", "states"], help_heading = "Which tasks")]
    failed: bool,
    /// Every failed and cancelled task; these are also meant when no state is named
    #[arg(long, conflicts_with = "Filter", help_heading = "Which tasks")]
    all: bool,
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    caution: Caution,
}

/// Brings tasks back; exits with 3 if any was refused.
///
/// # Errors
///
/// When any was refused, or the coordinator cannot be reached.
pub async fn run(args: Args, globals: &Globals) -> anyhow::Result<Exit> {
    let output = Output::new(globals);
    let client = Client::open(globals)?;
    if !args.ids.is_empty() {
        let (tasks, unknown) =
            find_named(&client, &subject::ids(&args.ids)?, args.caution.change(RETRY)).await?;
        if args.caution.dry_run {
            output.list(&task::listing(&tasks, &names::for_people(&client, &output).await))?;
            RETRY.tell_dry_run(tasks.len());
            return changes::tell_refusals(&unknown, tasks.len(), "cannot retry", globals);
        }
        let mut changes = unknown;
        changes.extend(retry(&client, tasks.iter().map(|task| (&task.task_id, task.revision))).await?);
        return changes::tell(&changes, &output, "cannot retry", globals);
    }
    let mut filter = args.filter;
    if args.failed {
        filter.states.push(State::Failed);
    }
    // Each with the revision that was found: a task that changed since is refused, not retried twice.
    let change = async |found: Vec<FoundTask>| {
        retry(&client, found.iter().map(|task| (&task.task_id, task.revision))).await
    };
    RETRY
        .of_filter(&filter, args.caution, &client, globals, change)
        .await
}

/// Asks for each task first: with its revision, a request can be sent again when its answer is lost.
async fn find_named(
    client: &Client,
    ids: &[String],
    change: Change,
) -> anyhow::Result<(Vec<Task>, Vec<TaskChange>)> {
    let mut tasks = Vec::with_capacity(ids.len());
    let mut unknown = Vec::new();
    for id in ids {
        let doing = format!("cannot retry {id}");
        match Finder::to_change(client, change).find(id, &doing).await? {
            Some((Subject::Task(task), _)) => tasks.push(Task {
                result: None,
                ..*task
            }),
            Some((Subject::Job(job), _)) => {
                let before = tasks.len();
                let mut pages = Pages::new(client, unsuccessful_of(job.job_id));
                while let Some(page) = pages.next(MAX_ITEMS).await? {
                    tasks.extend(page);
                }
                if tasks.len() == before {
                    note(format!("job {id}: none of its tasks is failed or cancelled"));
                }
            }
            Some((Subject::Agent(_), _)) | None => unknown.push(changes::unknown(id)),
        }
    }
    Ok((tasks, unknown))
}

/// The tasks of a job that a retry of the job means.
fn unsuccessful_of(job_id: String) -> ListTasksRequest {
    ListTasksRequest {
        job_id,
        states: RETRY.usual.iter().map(|state| (*state).into()).collect(),
        ..ListTasksRequest::default()
    }
}

async fn retry(
    client: &Client,
    tasks: impl Iterator<Item = (&String, u64)>,
) -> anyhow::Result<Vec<TaskChange>> {
    let tasks: Vec<RetryTask> = tasks
        .map(|(task_id, revision)| RetryTask {
            task_id: task_id.clone(),
            revision: Some(revision),
        })
        .collect();
    let mut changes = Vec::with_capacity(tasks.len());
    for batch in tasks.chunks(MAX_ITEMS) {
        let request = RetryTasksRequest {
            tasks: batch.to_vec(),
        };
        let answer = client.call(request).await;
        changes.extend(answer.map_err(client.failure("cannot retry"))?.results);
    }
    Ok(changes)
}
