//! `swarmctl retry`: brings ended tasks back with fresh counts of tries.

use swarm_program::exit::Exit;
use swarm_proto::{
    limits::MAX_ITEMS,
    v1::{RetryTask, RetryTasksRequest, TaskChange, TaskState},
};

use super::{
    bulk::{Action, Caution, FoundTask},
    changes,
    named::Named,
};
use crate::{
    call::{client::Client, subject},
    output::Output,
    program::globals::Globals,
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
    otherwise: "not ended",
    // A skipped task comes back with the task that caused the skip.
    usual: &[TaskState::Failed, TaskState::Cancelled],
    usually: "is failed or cancelled",
    unless: "",
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
        let (ids, change) = (subject::ids(&args.ids)?, args.caution.change(RETRY));
        let named = Named::find(&client, &ids, RETRY, change).await?;
        if args.caution.dry_run {
            return named.list(RETRY, &client, globals).await;
        }
        let Named { tasks, unknown, .. } = named;
        let mut changes = unknown;
        let tasks = tasks.iter().map(|task| (&task.task_id, task.revision));
        if let Err(error) = retry(&client, tasks, &mut changes).await {
            RETRY.tell_begun(&changes, &output)?;
            return Err(error);
        }
        return changes::tell(&changes, &output, "cannot retry", globals);
    }
    let mut filter = args.filter;
    if args.failed {
        filter.states.push(State::Failed);
    }
    // Each with the revision that was found: a task that changed since is refused, not retried twice.
    let change = async |found: Vec<FoundTask>, changes: &mut Vec<TaskChange>| {
        let tasks = found.iter().map(|task| (&task.task_id, task.revision));
        retry(&client, tasks, changes).await
    };
    RETRY
        .of_filter(&filter, args.caution, &client, globals, change)
        .await
}

/// Brings tasks back in batches. `changes` also has the answers before an error.
async fn retry(
    client: &Client,
    tasks: impl Iterator<Item = (&String, u64)>,
    changes: &mut Vec<TaskChange>,
) -> anyhow::Result<()> {
    let tasks: Vec<RetryTask> = tasks
        .map(|(task_id, revision)| RetryTask {
            task_id: task_id.clone(),
            revision: Some(revision),
        })
        .collect();
    for batch in tasks.chunks(MAX_ITEMS) {
        let request = RetryTasksRequest {
            tasks: batch.to_vec(),
        };
        let answer = client.call(request).await;
        changes.extend(answer.map_err(client.failure("cannot retry"))?.results);
    }
    Ok(())
}
