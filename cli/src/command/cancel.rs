//! `swarmctl cancel`: tasks, and all that is left of jobs.

use swarm_proto::{
    reason::Reason,
    v1::{CancelTasksRequest, ListTasksRequest, TaskChange, TaskState},
};

use super::changes;
use crate::{
    args::Globals,
    client::Client,
    exit::Exit,
    jobfile::value,
    output::{Output, note},
    pages::Pages,
    subject,
};

/// The most tasks that one request takes.
const BATCH: usize = 1_000;

const EXAMPLES: &str = "\
Examples:
  swarmctl cancel k3v7q2mzdh                   one task; a running one is ended on its agent
  swarmctl cancel nightly                      all tasks of a job, by its name, that have not ended
  swarmctl list --state queued -q | swarmctl cancel -";

/// What to cancel.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    /// Tasks and jobs, these also by name; - reads ids from stdin, one a line
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
}

/// Cancels; exits with 3 if any was refused.
///
/// # Errors
///
/// When the coordinator refuses the whole request or cannot be reached.
pub async fn run(args: Args, globals: &Globals) -> anyhow::Result<Exit> {
    let output = Output::new(globals);
    let client = Client::open(globals)?;
    let ids = subject::ids(&args.ids)?;
    // What cannot be an id may still be the name of a job.
    let (possible, other): (Vec<String>, Vec<String>) =
        ids.into_iter().partition(|id| value::check_id(id).is_ok());
    let mut answers = cancel(&client, &possible).await?;
    answers.extend(other.iter().map(|id| changes::unknown(id)));

    let mut changes = Vec::with_capacity(answers.len());
    for change in answers {
        let tasks = match changes::reason(&change) {
            Some(Reason::TaskNotFound) => unended_tasks(&client, &change.task_id).await?,
            _ => None,
        };
        match tasks {
            Some(tasks) if tasks.is_empty() => {
                note(format!("job {}: all of its tasks have ended", change.task_id));
            }
            Some(tasks) => changes.extend(cancel(&client, &tasks).await?),
            None => changes.push(change),
        }
    }
    changes::tell(&changes, &output, "cannot cancel", globals)
}

async fn cancel(client: &Client, ids: &[String]) -> anyhow::Result<Vec<TaskChange>> {
    let mut changes = Vec::with_capacity(ids.len());
    for batch in ids.chunks(BATCH) {
        let request = CancelTasksRequest {
            task_ids: batch.to_vec(),
        };
        let answer = client.cancel_tasks(request).await;
        changes.extend(answer.map_err(client.trouble("cannot cancel"))?.results);
    }
    Ok(changes)
}

/// The tasks of a job that have not ended; nothing when there is no such job.
async fn unended_tasks(client: &Client, job_id: &str) -> anyhow::Result<Option<Vec<String>>> {
    let doing = format!("cannot cancel {job_id}");
    let Some((job, _)) = subject::find_job(client, job_id, &doing).await? else {
        return Ok(None);
    };
    let states = [
        TaskState::Blocked,
        TaskState::Delayed,
        TaskState::Queued,
        TaskState::Running,
        TaskState::Waiting,
    ];
    let filter = ListTasksRequest {
        job_id: job.job_id,
        states: states.map(Into::into).to_vec(),
        ..ListTasksRequest::default()
    };
    let mut pages = Pages::new(client, filter);
    let mut ids = Vec::new();
    while let Some(page) = pages.next(BATCH).await? {
        ids.extend(page.into_iter().map(|task| task.task_id));
    }
    Ok(Some(ids))
}
