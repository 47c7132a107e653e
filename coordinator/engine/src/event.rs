//! Events: durable facts in the past tense.
//!
//! Replay needs nothing but the state and the event. A released fact is never
//! changed, only added to.

use std::sync::Arc;

use crate::{
    id::{AgentId, AttemptNumber, JobId, Number, QueueName, ReportHash, Seq, TaskId},
    noun::{
        agent::Agent,
        hold::Hold,
        job::Job,
        lease::Lease,
        outcome::{Failure, Loss, Outcome, Output},
        task::{PastEnd, Task},
    },
    time::Timestamp,
};

/// A fact with its place in the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its place.
    pub seq: Seq,
    /// When it was decided.
    pub time: Timestamp,
    /// What happened.
    pub fact: Fact,
}

/// The task that a fact is about, named so that a reader of the journal needs nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Its place in the order of creation.
    pub number: Number,
    /// What the submitter calls it.
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

/// What happened.
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
    },
    /// A job was accepted; its tasks follow.
    JobSubmitted(Arc<Job>),
    /// A task was accepted; the record as it begins.
    TaskSubmitted(Arc<Task>),
    /// A dependency ended as it had to.
    DependencyMet {
        /// The task that waited.
        task: Subject,
        /// The dependency.
        dependency: TaskId,
        /// How many dependencies still have to end.
        unmet: u32,
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
    /// An agent is no longer counted on for an attempt.
    LeaseExpired {
        /// The task.
        task: Subject,
        /// The attempt.
        attempt: AttemptNumber,
        /// Who held it.
        agent: AgentId,
        /// Why.
        cause: Loss,
        /// When the task can be claimed again; `None` when at once.
        due: Option<Timestamp>,
    },
    /// The agent of an expired lease was heard of again before anything else happened to the task.
    LeaseResumed {
        /// The task.
        task: Subject,
        /// The attempt.
        attempt: AttemptNumber,
        /// Who holds it.
        agent: AgentId,
    },
    /// An agent gave an attempt back.
    LeaseReleased {
        /// The task.
        task: Subject,
        /// The attempt.
        attempt: AttemptNumber,
        /// Who held it.
        agent: AgentId,
        /// Why, in words.
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
        /// Who held it.
        agent: AgentId,
        /// How.
        failure: Failure,
        /// When the task can be claimed again; `None` when it is not tried again.
        due: Option<Timestamp>,
        /// The accepted report.
        report: ReportHash,
        /// What it printed.
        output: Arc<Output>,
    },
    /// An attempt succeeded, and with it the task.
    TaskSucceeded {
        /// The task.
        task: Subject,
        /// The attempt.
        attempt: AttemptNumber,
        /// Who held it.
        agent: AgentId,
        /// The lease had expired, and nothing had happened to the task since.
        late: bool,
        /// The accepted report.
        report: ReportHash,
        /// What it printed.
        output: Arc<Output>,
    },
    /// The task is not tried again.
    TaskFailed {
        /// The task.
        task: Subject,
        /// Why, in words.
        reason: Arc<str>,
    },
    /// Somebody asked to cancel a running task.
    CancelRequested {
        /// The task.
        task: Subject,
        /// The running attempt.
        attempt: AttemptNumber,
        /// Who holds it.
        agent: AgentId,
    },
    /// The task is cancelled.
    TaskCancelled {
        /// The task.
        task: Subject,
        /// What its running attempt came to; `None` when it was not running.
        attempt: Option<CancelledAttempt>,
    },
    /// The task never ran because a dependency did not succeed.
    TaskSkipped {
        /// The task.
        task: Subject,
        /// The dependency.
        because: TaskId,
    },
    /// An ended task was brought back; the whole record as it is afterwards.
    TaskRetried {
        /// The record.
        record: Arc<Task>,
        /// The end that it leaves.
        was: PastEnd,
        /// The retried dependency that brought it back; `None` when somebody asked for the task itself.
        because: Option<TaskId>,
    },
    /// An ended task was removed; nothing of it is kept.
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
    /// Somebody ordered that no work is given.
    HoldPlaced(Arc<Hold>),
    /// A hold was lifted.
    HoldLifted {
        /// The hold that is gone.
        hold: Arc<Hold>,
        /// Who lifted it, as their program said.
        actor: Arc<str>,
    },
    /// The limit of a queue was set or taken away.
    QueueLimited {
        /// The queue.
        queue: QueueName,
        /// How many of its tasks may run at a time; `None` for no limit.
        max_running: Option<u32>,
        /// Who set it, as their program said.
        actor: Arc<str>,
    },
    /// An agent opened a session; its record.
    AgentRegistered(Arc<Agent>),
    /// An agent said goodbye.
    AgentDeregistered {
        /// The agent.
        agent: AgentId,
    },
}

/// What the running attempt of a cancelled task came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CancelledAttempt {
    /// The attempt.
    pub number: AttemptNumber,
    /// Who held it.
    pub agent: AgentId,
    /// What it came to.
    pub outcome: Outcome,
    /// The accepted report; `None` when it ended without one.
    pub report: Option<ReportHash>,
    /// What it printed.
    pub output: Arc<Output>,
}

impl Fact {
    /// The event's name in snake_case, as readers see it.
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
        }
    }

    /// Every kind there is.
    pub const KINDS: [&'static str; 23] = [
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
    ];
}
