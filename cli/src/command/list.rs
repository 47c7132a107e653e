//! `swarmctl list`: tasks in the order in which they were submitted.

use clap::ValueEnum;
use swarm_proto::v1::{ListTasksRequest, Task, TaskState};

use super::describe;
use crate::{
    args::Globals,
    client::Client,
    exit::Exit,
    output::{Output, note},
};

/// The largest page that a coordinator gives.
const PAGE_SIZE: u32 = 1_000;

const EXAMPLES: &str = "\
Examples:
  swarmctl list                                the first hundred tasks
  swarmctl list --state failed,skipped         what went wrong
  swarmctl list --job nightly -o jsonl         one job's tasks, for a script";

/// Which tasks to list.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    /// Only tasks in this state; may be repeated, or separated by commas
    #[arg(long = "state", value_enum, value_delimiter = ',', value_name = "STATE")]
    states: Vec<State>,
    /// Only tasks of this job
    #[arg(long, value_name = "ID")]
    job: Option<String>,
    /// Only tasks of this queue
    #[arg(long, value_name = "QUEUE")]
    queue: Option<String>,
    /// At most this many; 0 is all
    #[arg(long, default_value_t = 100, value_name = "N")]
    limit: usize,
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
/// When the coordinator refuses or cannot be reached, or stdout is closed.
pub async fn run(args: Args, globals: &Globals) -> anyhow::Result<Exit> {
    let output = Output::new(globals);
    let client = Client::open(globals)?;
    let filter = ListTasksRequest {
        states: args
            .states
            .iter()
            .map(|state| TaskState::from(*state).into())
            .collect(),
        job_id: args.job.unwrap_or_default(),
        queue: args.queue.unwrap_or_default(),
        ..ListTasksRequest::default()
    };
    let mut pages = Pages::new(&client, filter);
    let limit = if args.limit == 0 { usize::MAX } else { args.limit };
    let mut tasks: Vec<Task> = Vec::new();
    // One more than asked for tells whether there are more.
    while tasks.len() <= limit
        && let Some(page) = pages.next(limit.saturating_add(1) - tasks.len()).await?
    {
        tasks.extend(page);
    }
    let more = tasks.len() > limit;
    tasks.truncate(limit);
    output.list(&describe::tasks(&tasks))?;
    if tasks.is_empty() {
        note("no tasks");
    } else if more {
        note(format!(
            "there are more: --limit {} shows them, --limit 0 all",
            limit.saturating_mul(10)
        ));
    }
    Ok(Exit::Done)
}

/// The pages of a list of tasks, one after another.
pub(super) struct Pages<'client> {
    client: &'client Client,
    request: ListTasksRequest,
    ended: bool,
}

impl<'client> Pages<'client> {
    /// The tasks that a request's filters let through.
    pub(super) fn new(client: &'client Client, request: ListTasksRequest) -> Pages<'client> {
        Pages {
            client,
            request,
            ended: false,
        }
    }

    /// The next page with at most so many tasks; it may be empty. Nothing at the end.
    pub(super) async fn next(&mut self, at_most: usize) -> anyhow::Result<Option<Vec<Task>>> {
        if self.ended {
            return Ok(None);
        }
        self.request.page_size = PAGE_SIZE.min(u32::try_from(at_most).unwrap_or(PAGE_SIZE));
        let answer = self.client.list_tasks(self.request.clone()).await;
        let page = answer.map_err(self.client.trouble("cannot list the tasks"))?;
        self.ended = page.next_page_token.is_empty();
        self.request.page_token = page.next_page_token;
        Ok(Some(page.tasks))
    }
}
