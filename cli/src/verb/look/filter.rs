//! The flags that select tasks by their state, job, labels and the like, the same for every verb.

use clap::ValueEnum;
use jiff::Timestamp;
use swarm_program::{exit::Exit, failure::Failure};
use swarm_proto::v1::{ListTasksRequest, TaskState};

use crate::{
    call::{
        client::Client,
        subject::{Finder, Purpose},
    },
    program::past,
};

/// The flags of the selection.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Which tasks")]
pub(crate) struct Filter {
    /// Only tasks in this state; may be repeated, or separated by commas
    #[arg(
        long = "state",
        alias = "status",
        value_enum,
        ignore_case = true,
        value_delimiter = ',',
        value_name = "STATE"
    )]
    pub(crate) states: Vec<State>,
    /// Only tasks of this job
    #[arg(long, value_name = "JOB")]
    pub(crate) job: Option<String>,
    /// Only tasks of this queue
    #[arg(long, value_name = "QUEUE")]
    queue: Option<String>,
    /// Only tasks with labels that meet this: k=v, k!=v, k or !k; may be repeated, or separated by commas
    #[arg(long = "label", value_delimiter = ',', value_name = "TERM")]
    labels: Vec<String>,
    /// Only tasks whose newest attempt is or was with this agent
    #[arg(long, value_name = "AGENT")]
    agent: Option<String>,
    /// Only tasks whose name or id contains this
    #[arg(long, value_name = "TEXT")]
    text: Option<String>,
    /// Only tasks submitted this long ago or later, or since this time, such as 1h or 2026-03-01
    #[arg(long, value_name = "WHEN", value_parser = past::parse)]
    since: Option<Timestamp>,
    /// Only tasks submitted longer ago, or before this time
    #[arg(long, value_name = "WHEN", value_parser = past::parse)]
    until: Option<Timestamp>,
}

/// The states of a task, as flags name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum State {
    /// Waits for other tasks
    Blocked,
    /// Waits for a time
    Delayed,
    /// Can be claimed
    #[value(alias = "pending")]
    Queued,
    /// Leased to an agent
    #[value(aliases = ["in_progress", "in-progress", "claimed"])]
    Running,
    /// Waits for an answer
    Waiting,
    /// Done
    #[value(aliases = ["completed", "complete", "done"])]
    Succeeded,
    /// No tries left
    Failed,
    /// Somebody cancelled it
    #[value(alias = "canceled")]
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

impl Filter {
    /// Whether the filter selects by nothing but a job.
    pub(crate) fn is_at_most_a_job(&self) -> bool {
        let Filter {
            states,
            job: _,
            queue,
            labels,
            agent,
            text,
            since,
            until,
        } = self;
        let texts = [queue, agent, text];
        states.is_empty()
            && labels.is_empty()
            && texts.iter().all(|text| text.is_none())
            && [since, until].iter().all(|time| time.is_none())
    }

    /// The request to the coordinator, with ids in place of names and beginnings. The purpose is that of the verb.
    ///
    /// # Errors
    ///
    /// When no time is between two times, there is no such job or agent, or the coordinator cannot be asked.
    pub(crate) async fn request(
        &self,
        client: &Client,
        purpose: Purpose,
    ) -> anyhow::Result<ListTasksRequest> {
        if let (Some(since), Some(until)) = (self.since, self.until)
            && until <= since
        {
            let sentence = "--until is not later than --since: no time is between them";
            return Err(Failure::new(Exit::Usage, sentence)
                .help("both count back from now: --since 10m --until 5m is from ten to five minutes ago")
                .into());
        }
        let finder = Finder::new(client, purpose);
        let job_id = match &self.job {
            Some(job) => finder.job(job).await?.job_id,
            None => String::new(),
        };
        let agent_id = match &self.agent {
            Some(agent) => finder.agent(agent).await?.agent_id,
            None => String::new(),
        };
        Ok(ListTasksRequest {
            states: self
                .states
                .iter()
                .map(|state| TaskState::from(*state).into())
                .collect(),
            job_id,
            queue: self.queue.clone().unwrap_or_default(),
            labels: self.labels.clone(),
            agent_id,
            text: self.text.clone().unwrap_or_default(),
            create_time_from: self.since.map(past::wire),
            create_time_before: self.until.map(past::wire),
            ..ListTasksRequest::default()
        })
    }
}
