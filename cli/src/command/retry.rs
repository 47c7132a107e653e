//! `swarmctl retry`: ended tasks, with fresh counts of tries.

use swarm_proto::{
    reason::Reason,
    v1::{GetTaskRequest, ListTasksRequest, RetryTask, RetryTasksRequest, TaskChange, TaskState},
};

use super::changes;
use crate::{
    args::Globals,
    client::Client,
    exit::Exit,
    output::{Output, note},
    pages::Pages,
    subject,
};

/// The most tasks that one request takes.
const BATCH: usize = 1_000;

const EXAMPLES: &str = "\
Examples:
  swarmctl retry k3v7q2mzdh                    one task, and what was skipped because of it
  swarmctl retry --failed                      every failed task
  swarmctl retry --failed --job nightly        those of one job";

/// What to bring back.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    /// Tasks; - reads ids from stdin, one a line
    #[arg(
        required_unless_present = "failed",
        conflicts_with = "failed",
        value_name = "ID"
    )]
    ids: Vec<String>,
    /// Every failed task
    #[arg(long)]
    failed: bool,
    /// With --failed: only tasks of the job with this id or name
    #[arg(long, requires = "failed", conflicts_with = "ids", value_name = "JOB")]
    job: Option<String>,
}

/// Brings tasks back; exits with 3 if any was refused.
///
/// # Errors
///
/// When any was refused, or the coordinator cannot be reached.
pub async fn run(args: Args, globals: &Globals) -> anyhow::Result<Exit> {
    let output = Output::new(globals);
    let client = Client::open(globals)?;
    let changes = if args.failed {
        let job_id = match &args.job {
            Some(job) => subject::job_id(&client, job).await?,
            None => String::new(),
        };
        retry_failed(&client, job_id).await?
    } else {
        retry_named(&client, &subject::ids(&args.ids)?).await?
    };
    if changes.is_empty() {
        note("nothing to retry");
    }
    changes::tell(&changes, &output, "cannot retry", globals)
}

/// Each failed task as it was listed; one that changed since is refused, not retried twice.
async fn retry_failed(client: &Client, job_id: String) -> anyhow::Result<Vec<TaskChange>> {
    let filter = ListTasksRequest {
        states: vec![TaskState::Failed.into()],
        job_id,
        ..ListTasksRequest::default()
    };
    let mut pages = Pages::new(client, filter);
    let mut changes = Vec::new();
    while let Some(page) = pages.next(BATCH).await? {
        let tasks = page.into_iter().map(|task| RetryTask {
            task_id: task.task_id,
            revision: Some(task.revision),
        });
        changes.extend(retry(client, tasks.collect()).await?);
    }
    Ok(changes)
}

/// Looks at each task first: with its revision, a request whose answer was lost can be sent again.
async fn retry_named(client: &Client, ids: &[String]) -> anyhow::Result<Vec<TaskChange>> {
    let mut tasks = Vec::with_capacity(ids.len());
    let mut changes = Vec::new();
    for id in ids {
        match client.get_task(GetTaskRequest { task_id: id.clone() }).await {
            Ok(answer) => {
                let revision = answer.task.map(|task| task.revision);
                tasks.push(RetryTask {
                    task_id: id.clone(),
                    revision,
                });
            }
            Err(failure)
                if matches!(
                    failure.reason(),
                    Some(Reason::TaskNotFound | Reason::FieldInvalid)
                ) =>
            {
                changes.push(changes::unknown(id));
            }
            Err(failure) => return Err(client.trouble(format!("cannot retry {id}"))(failure)),
        }
    }
    for batch in tasks.chunks(BATCH) {
        changes.extend(retry(client, batch.to_vec()).await?);
    }
    Ok(changes)
}

async fn retry(client: &Client, tasks: Vec<RetryTask>) -> anyhow::Result<Vec<TaskChange>> {
    if tasks.is_empty() {
        return Ok(Vec::new());
    }
    let answer = client.retry_tasks(RetryTasksRequest { tasks }).await;
    Ok(answer.map_err(client.trouble("cannot retry"))?.results)
}
