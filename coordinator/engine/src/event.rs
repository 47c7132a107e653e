//! Events: durable facts in the past tense.
//!
//! Replay needs only the state and the event. A released fact is never changed;
//! it may only gain fields.

use std::sync::Arc;

use crate::{
    id::{AgentId, AttemptNumber, JobId, Number, QueueName, ReportHash, Seq, TaskId},
    noun::{
        agent::{Agent, AgentLoss},
        cut::Cut,
        hold::Hold,
        job::Job,
        lease::Lease,
        outcome::{Failure, Loss, Outcome, Output},
        task::{PastEnd, Task},
    },
    time::{Clocks, Timestamp},
};

/// A fact with its place in the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its place in the journal.
    pub seq: Seq,
    /// The time of the decision.
    pub time: Timestamp,
    /// The fact.
    pub fact: Fact,
}

/// The task that a fact is about, with all its names: a reader of the journal needs nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Its place in the order of creation.
    pub number: Number,
    /// Its id, chosen by the submitter.
    pub id: TaskId,
    /// The job it came with.
    pub job: Option<JobId>,
}

impl Subject {
    /// Names this task.
    pub fn of(task: &Task) -> Subject {
        Subject {
            number: task.number,
            id: task.id.clone(),
            job: task.job.clone(),
        }
    }
}

/// A fact: something happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// A coordinator opened the journal.
    CoordinatorStarted {
        /// Rises with each start.
        epoch: u64,
        /// The version of its program.
        version: Arc<str>,
        /// Identifies these data for ever.
        cluster_id: Arc<str>,
        /// Identifies this sequence of events.
        history: Arc<str>,
        /// The machine's clocks; `None` when an older program started.
        clocks: Option<Clocks>,
        /// The time of this event is before that of others, because the operator has set the time back.
        sets_time_back: bool,
    },
    /// A job was accepted; its tasks follow.
    JobSubmitted(Arc<Job>),
    /// A task was accepted: its first record.
    TaskSubmitted(Arc<Task>),
    /// A dependency ended and met its condition.
    DependencyMet {
        /// The task that waited.
        task: Subject,
        /// The dependency.
        dependency: TaskId,
        /// The number of dependencies left to meet.
        unmet: u32,
        /// What is left of the dependency's output; `None` when all of it is kept.
        cut: Option<Cut>,
    },
    /// The time that a task waited for has come.
    TaskDue {
        /// The task.
        task: Subject,
    },
    /// An agent was given an attempt.
    LeaseGranted {
        /// The task.
        task: Subject,
        /// The lease.
        lease: Lease,
    },
    /// An agent lost an attempt.
    LeaseExpired {
        /// The task.
        task: Subject,
        /// The attempt.
        attempt: AttemptNumber,
        /// The agent that held it.
        agent: AgentId,
        /// The cause of the loss.
        cause: Loss,
        /// The time at which the task can be claimed again; `None` for at once.
        due: Option<Timestamp>,
    },
    /// The agent of an expired lease called again, and nothing had happened to the task meanwhile.
    LeaseResumed {
        /// The task.
        task: Subject,
        /// The attempt.
        attempt: AttemptNumber,
        /// The agent that holds it.
        agent: AgentId,
    },
    /// An agent gave an attempt back.
    LeaseReleased {
        /// The task.
        task: Subject,
        /// The attempt.
        attempt: AttemptNumber,
        /// The agent that held it.
        agent: AgentId,
        /// The reason, in words.
        reason: Arc<str>,
        /// The agent will not do this task.
        refused: bool,
        /// The accepted report.
        report: ReportHash,
    },
    /// An attempt failed.
    AttemptFailed {
        /// The task.
        task: Subject,
        /// The attempt.
        attempt: AttemptNumber,
        /// The agent that held it.
        agent: AgentId,
        /// The failure.
        failure: Failure,
        /// The time at which the task can be claimed again; `None` when it is not tried again.
        due: Option<Timestamp>,
        /// The accepted report.
        report: ReportHash,
        /// Its output.
        output: Arc<Output>,
    },
    /// An attempt succeeded, and with it the task.
    TaskSucceeded {
        /// The task.
        task: Subject,
        /// The attempt.
        attempt: AttemptNumber,
        /// The agent that held it.
        agent: AgentId,
        /// The report came after the lease had expired.
        late: bool,
        /// The accepted report.
        report: ReportHash,
        /// Its output.
        output: Arc<Output>,
    },
    /// The task is not tried again.
    TaskFailed {
        /// The task.
        task: Subject,
        /// The reason, in words.
        reason: Arc<str>,
    },
    /// Somebody asked to cancel a running task.
    CancelRequested {
        /// The task.
        task: Subject,
        /// The running attempt.
        attempt: AttemptNumber,
        /// The agent that holds it.
        agent: AgentId,
    },
    /// The task is cancelled.
    TaskCancelled {
        /// The task.
        task: Subject,
        /// The end of its running attempt; `None` when no attempt ran.
        attempt: Option<CancelledAttempt>,
    },
    /// The task never ran because a dependency did not succeed.
    TaskSkipped {
        /// The task.
        task: Subject,
        /// The dependency.
        because: TaskId,
    },
    /// An ended task was brought back: its whole record afterwards.
    TaskRetried {
        /// The record.
        record: Arc<Task>,
        /// The end that it leaves.
        was: PastEnd,
        /// The retried dependency that brought it back; `None` when somebody asked for the task itself.
        because: Option<TaskId>,
    },
    /// An ended task was removed for good.
    TaskRemoved {
        /// The task.
        task: Subject,
        /// The end that it had.
        was: PastEnd,
    },
    /// A job was removed with its last task.
    JobRemoved {
        /// Its place in the order of creation.
        number: Number,
        /// The job.
        job: JobId,
    },
    /// Somebody placed a hold.
    HoldPlaced(Arc<Hold>),
    /// A hold was lifted.
    HoldLifted {
        /// The lifted hold.
        hold: Arc<Hold>,
        /// The person who lifted it, as the calling program said.
        actor: Arc<str>,
    },
    /// The limit of a queue was set or taken away.
    QueueLimited {
        /// The queue.
        queue: QueueName,
        /// The number of its tasks that may run at a time; `None` for no limit.
        max_running: Option<u32>,
        /// The person who set it, as the calling program said.
        actor: Arc<str>,
    },
    /// An agent opened a session: its record.
    AgentRegistered(Arc<Agent>),
    /// An agent said goodbye.
    AgentDeregistered {
        /// The agent.
        agent: AgentId,
    },
    /// Somebody forgot an agent.
    AgentForgotten {
        /// The agent.
        agent: AgentId,
        /// The person who forgot it, as the calling program said.
        actor: Arc<str>,
    },
    /// An agent was removed for good: nobody had heard of it for long.
    AgentRemoved {
        /// The agent.
        agent: AgentId,
    },
    /// An agent is lost: it fell silent, or its process died.
    AgentLost {
        /// The agent.
        agent: AgentId,
        /// The cause.
        cause: AgentLoss,
    },
    /// An agent that was lost for its silence called again.
    AgentReturned {
        /// The agent.
        agent: AgentId,
    },
    /// A process was refused as an agent, because another process of that agent is alive.
    TwinRefused {
        /// The agent.
        agent: AgentId,
        /// The name of the refused process's machine.
        host: Arc<str>,
    },
}

/// The end of a cancelled task's running attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CancelledAttempt {
    /// The attempt.
    pub number: AttemptNumber,
    /// The agent that held it.
    pub agent: AgentId,
    /// Its outcome.
    pub outcome: Outcome,
    /// The accepted report; `None` when it ended without one.
    pub report: Option<ReportHash>,
    /// Its output.
    pub output: Arc<Output>,
}

impl Fact {
    /// The fact's name in snake_case, as readers of events see it.
    pub fn kind(&self) -> &'static str {
        match self {
            Fact::CoordinatorStarted { .. } => "coordinator_started",
            Fact::JobSubmitted(_) => "job_submitted",
            Fact::TaskSubmitted(_) => "task_submitted",
            Fact::DependencyMet { .. } => "dependency_met",
            Fact::TaskDue { .. } => "task_due",
            Fact::LeaseGranted { .. } => "lease_granted",
            Fact::LeaseExpired { .. } => "lease_expired",
            Fact::LeaseResumed { .. } => "lease_resumed",
            Fact::LeaseReleased { .. } => "lease_released",
            Fact::AttemptFailed { .. } => "attempt_failed",
            Fact::TaskSucceeded { .. } => "task_succeeded",
            Fact::TaskFailed { .. } => "task_failed",
            Fact::CancelRequested { .. } => "cancel_requested",
            Fact::TaskCancelled { .. } => "task_cancelled",
            Fact::TaskSkipped { .. } => "task_skipped",
            Fact::TaskRetried { .. } => "task_retried",
            Fact::TaskRemoved { .. } => "task_removed",
            Fact::JobRemoved { .. } => "job_removed",
            Fact::HoldPlaced(_) => "hold_placed",
            Fact::HoldLifted { .. } => "hold_lifted",
            Fact::QueueLimited { .. } => "queue_limited",
            Fact::AgentRegistered(_) => "agent_registered",
            Fact::AgentDeregistered { .. } => "agent_deregistered",
            Fact::AgentForgotten { .. } => "agent_forgotten",
            Fact::AgentRemoved { .. } => "agent_removed",
            Fact::TwinRefused { .. } => "twin_refused",
            Fact::AgentLost { .. } => "agent_lost",
            Fact::AgentReturned { .. } => "agent_returned",
        }
    }

    /// Every kind.
    pub const KINDS: [&'static str; 28] = [
        "coordinator_started",
        "job_submitted",
        "task_submitted",
        "dependency_met",
        "task_due",
        "lease_granted",
        "lease_expired",
        "lease_resumed",
        "lease_released",
        "attempt_failed",
        "task_succeeded",
        "task_failed",
        "cancel_requested",
        "task_cancelled",
        "task_skipped",
        "task_retried",
        "task_removed",
        "job_removed",
        "hold_placed",
        "hold_lifted",
        "queue_limited",
        "agent_registered",
        "agent_deregistered",
        "agent_forgotten",
        "agent_removed",
        "twin_refused",
        "agent_lost",
        "agent_returned",
    ];
}
