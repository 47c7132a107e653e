//! `swarmctl cancel`: tasks, and all that is left of jobs.

use std::collections::VecDeque;

use swarm_proto::{
    reason::Reason,
    v1::{CancelTasksRequest, GetJobRequest, ListTasksRequest, TaskChange, TaskState},
};

use super::{changes, list::Pages};
use crate::{
    args::Globals,
    client::Client,
    exit::Exit,
    output::{Output, note},
    subject,
};

/// The most tasks that one request takes.
const BATCH: usize = 1_000;

const EXAMPLES: &str = "\
Examples:
  swarmctl cancel fetch                        one task; a running one is ended on its agent
  swarmctl cancel nightly                      all tasks of a job that have not ended
  swarmctl list --state queued -q | swarmctl cancel -";

/// What to cancel.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    /// Tasks and jobs; - reads ids from stdin, one a line
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
    if ids.is_empty() {
        note("nothing to cancel: no ids were given");
        return Ok(Exit::Done);
    }
    let mut changes = Vec::with_capacity(ids.len());
    for change in cancel(&client, &ids).await? {
        let unknown = change
            .refusal
            .as_ref()
            .and_then(|refusal| Reason::parse(&refusal.reason))
            == Some(Reason::TaskNotFound);
        match if unknown {
            unended_tasks(&client, &change.task_id).await?
        } else {
            None
        } {
            Some(tasks) if tasks.is_empty() => {
                note(format!("job {}: all of its tasks have ended", change.task_id));
            }
            Some(tasks) => changes.extend(cancel(&client, &tasks).await?),
            None => changes.push(change),
        }
    }
    changes::tell(&changes, &output, "cannot cancel")
}

async fn cancel(client: &Client, ids: &[String]) -> anyhow::Result<VecDeque<TaskChange>> {
    let mut changes = VecDeque::with_capacity(ids.len());
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
    match client
        .get_job(GetJobRequest {
            job_id: job_id.to_owned(),
        })
        .await
    {
        Ok(_) => {}
        Err(failure) if failure.reason() == Some(Reason::JobNotFound) => return Ok(None),
        Err(failure) => return Err(client.trouble(format!("cannot cancel {job_id}"))(failure)),
    }
    let states = [
        TaskState::Blocked,
        TaskState::Delayed,
        TaskState::Queued,
        TaskState::Running,
        TaskState::Waiting,
    ];
    let filter = ListTasksRequest {
        job_id: job_id.to_owned(),
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
