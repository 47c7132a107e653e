//! `swarmctl list`: tasks in the order in which they were submitted.

use clap::ValueEnum;
use swarm_proto::v1::{ListTasksRequest, TaskState};

use super::{describe, listing};
use crate::{args::Globals, client::Client, exit::Exit, output::Output, pages::Pages, subject};

const EXAMPLES: &str = "\
Examples:
  swarmctl list                                the hundred oldest tasks
  swarmctl list --state failed,skipped         what went wrong
  swarmctl list --job nightly -o jsonl         one job's tasks, for a script";

/// Which tasks to list.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    /// Only tasks in this state; may be repeated, or separated by commas
    #[arg(long = "state", value_enum, value_delimiter = ',', value_name = "STATE")]
    states: Vec<State>,
    /// Only tasks of the job with this id or name
    #[arg(long, value_name = "JOB")]
    job: Option<String>,
    /// Only tasks of this queue
    #[arg(long, value_name = "QUEUE")]
    queue: Option<String>,
    #[command(flatten)]
    limit: listing::Limit,
}

/// The states of a task, as flags name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum State {
    /// Waits for other tasks
    Blocked,
    /// Waits for a time
    Delayed,
    /// Can be claimed
    Queued,
    /// Leased to an agent
    Running,
    /// Waits for an answer
    Waiting,
    /// Done
    Succeeded,
    /// No tries left
    Failed,
    /// Somebody cancelled it
    Cancelled,
    /// A dependency did not succeed
    Skipped,
}

impl From<State> for TaskState {
    fn from(state: State) -> TaskState {
        match state {
            State::Blocked => TaskState::Blocked,
            State::Delayed => TaskState::Delayed,
            State::Queued => TaskState::Queued,
            State::Running => TaskState::Running,
            State::Waiting => TaskState::Waiting,
            State::Succeeded => TaskState::Succeeded,
            State::Failed => TaskState::Failed,
            State::Cancelled => TaskState::Cancelled,
            State::Skipped => TaskState::Skipped,
        }
    }
}

/// Lists tasks.
///
/// # Errors
///
/// When there is no such job, the coordinator refuses or cannot be reached, or stdout is closed.
pub async fn run(args: Args, globals: &Globals) -> anyhow::Result<Exit> {
    let output = Output::new(globals);
    let client = Client::open(globals)?;
    let job_id = match &args.job {
        Some(job) => subject::job_id(&client, job).await?,
        None => String::new(),
    };
    let filter = ListTasksRequest {
        states: args
            .states
            .iter()
            .map(|state| TaskState::from(*state).into())
            .collect(),
        job_id,
        queue: args.queue.unwrap_or_default(),
        ..ListTasksRequest::default()
    };
    listing::print(Pages::new(&client, filter), args.limit, describe::tasks, &output).await?;
    Ok(Exit::Done)
}
