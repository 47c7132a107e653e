//! The records that a fact changes: the one list from which storing, counting and waking read.

use std::sync::Arc;

use crate::{
    event::{Fact, Subject},
    id::{AgentId, AttemptNumber, JobId, Number, QueueName, TaskId},
    noun::{
        hold::{Hold, Scope},
        outcome::Output,
        queue::QueueLimit,
        task::{PastEnd, Task},
    },
};

/// The records that a fact changes: at most one of each kind. Code for which every kind matters destructures it by all
/// its fields, so that a new kind does not compile before it is handled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Touches<'a> {
    /// Whether the coordinator's identity changes.
    pub identity: bool,
    /// The changed task.
    pub task: Option<TouchedTask<'a>>,
    /// The attempt of that task, when the fact is about one.
    pub attempt: Option<TouchedAttempt<'a>>,
    /// The output of that attempt, stored beside the task.
    pub output: Option<&'a Arc<Output>>,
    /// The changed job, also when only the number of its ended tasks changes.
    pub job: Option<TouchedJob<'a>>,
    /// The changed agent. The record of an attempt's holder does not change: see `attempt`.
    pub agent: Option<&'a AgentId>,
    /// The changed hold.
    pub hold: Option<TouchedHold<'a>>,
    /// The changed limit of a queue.
    pub limit: Option<TouchedLimit<'a>>,
}

/// The task whose record changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TouchedTask<'a> {
    /// Its place in the order of creation.
    pub number: Number,
    /// Its id, chosen by the submitter.
    pub id: &'a TaskId,
    /// The job it came with.
    pub job: Option<&'a JobId>,
    /// The change of its record.
    pub change: TaskChange<'a>,
}

/// A change of a task's record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskChange<'a> {
    /// The record is new.
    Submitted(&'a Arc<Task>),
    /// The task goes on.
    Changed,
    /// The task has entered a final state.
    Ended,
    /// The task has left its final state.
    Retried {
        /// The record afterwards.
        record: &'a Arc<Task>,
        /// The end that it leaves.
        was: PastEnd,
    },
    /// The record is gone.
    Removed {
        /// The end that the task had.
        was: PastEnd,
    },
}

/// The attempt that a fact is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TouchedAttempt<'a> {
    /// Its number.
    pub number: AttemptNumber,
    /// The agent that holds or held it.
    pub agent: &'a AgentId,
    /// What happened to it.
    pub change: AttemptChange,
}

/// What happened to an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptChange {
    /// It began.
    Granted,
    /// It was lost.
    Lost,
    /// It goes on after it was lost.
    Resumed,
    /// Its agent gave it back.
    Released,
    /// It failed.
    Failed,
    /// It succeeded.
    Succeeded,
    /// Its agent is to end it.
    CancelAsked,
    /// It ended, and its task is cancelled.
    Cancelled,
}

/// The job whose record changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TouchedJob<'a> {
    /// Its id, chosen by the submitter.
    pub id: &'a JobId,
    /// The change of its record.
    pub change: JobChange,
}

/// A change of a job's record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobChange {
    /// The record is new.
    Submitted,
    /// The number of ended tasks changes.
    Counted,
    /// The record is gone; the job had this number.
    Removed(Number),
}

/// The hold that changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TouchedHold<'a> {
    /// The tasks or agents that it covers.
    pub scope: &'a Scope,
    /// The hold afterwards; `None` when it was lifted.
    pub record: Option<&'a Arc<Hold>>,
}

/// The limit of a queue that changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TouchedLimit<'a> {
    /// The queue.
    pub queue: &'a QueueName,
    /// The limit afterwards; `None` when there is none.
    pub record: Option<QueueLimit>,
}

impl Fact {
    /// The records that it changes.
    pub fn touches(&self) -> Touches<'_> {
        match self {
            Fact::CoordinatorStarted { .. } => Touches {
                identity: true,
                ..Touches::default()
            },
            Fact::JobSubmitted(job) => of_job(&job.id, JobChange::Submitted),
            Fact::JobRemoved { number, job } => of_job(job, JobChange::Removed(*number)),
            Fact::TaskSubmitted(record) => of_record(record, TaskChange::Submitted(record)),
            Fact::TaskRetried { record, was, .. } => {
                of_record(record, TaskChange::Retried { record, was: *was })
            }
            Fact::DependencyMet { task, .. } | Fact::TaskDue { task } => of_task(task, TaskChange::Changed),
            Fact::LeaseGranted { task, lease } => {
                of_attempt(task, lease.attempt, &lease.agent, AttemptChange::Granted)
            }
            Fact::LeaseExpired {
                task, attempt, agent, ..
            } => of_attempt(task, *attempt, agent, AttemptChange::Lost),
            Fact::LeaseResumed { task, attempt, agent } => {
                of_attempt(task, *attempt, agent, AttemptChange::Resumed)
            }
            Fact::LeaseReleased {
                task, attempt, agent, ..
            } => of_attempt(task, *attempt, agent, AttemptChange::Released),
            Fact::AttemptFailed {
                task,
                attempt,
                agent,
                output,
                ..
            } => of_attempt(task, *attempt, agent, AttemptChange::Failed).with(output),
            Fact::TaskSucceeded {
                task,
                attempt,
                agent,
                output,
                ..
            } => of_attempt(task, *attempt, agent, AttemptChange::Succeeded).with(output),
            Fact::CancelRequested { task, attempt, agent } => {
                of_attempt(task, *attempt, agent, AttemptChange::CancelAsked)
            }
            Fact::TaskCancelled {
                task,
                attempt: Some(attempt),
            } => of_attempt(task, attempt.number, &attempt.agent, AttemptChange::Cancelled)
                .with(&attempt.output),
            Fact::TaskCancelled { task, attempt: None }
            | Fact::TaskFailed { task, .. }
            | Fact::TaskSkipped { task, .. } => of_task(task, TaskChange::Ended),
            Fact::TaskRemoved { task, was } => of_task(task, TaskChange::Removed { was: *was }),
            Fact::HoldPlaced(hold) => of_hold(&hold.scope, Some(hold)),
            Fact::HoldLifted { hold, .. } => of_hold(&hold.scope, None),
            Fact::QueueLimited {
                queue,
                max_running,
                actor,
            } => Touches {
                limit: Some(TouchedLimit {
                    queue,
                    record: max_running.map(|max_running| QueueLimit {
                        queue: queue.clone(),
                        max_running,
                        actor: actor.clone(),
                    }),
                }),
                ..Touches::default()
            },
            Fact::AgentRegistered(agent) => of_agent(&agent.id),
            Fact::AgentDeregistered { agent }
            | Fact::AgentForgotten { agent, .. }
            | Fact::AgentRemoved { agent }
            | Fact::AgentLost { agent, .. }
            | Fact::AgentReturned { agent }
            | Fact::TwinRefused { agent, .. } => of_agent(agent),
        }
    }
}

impl<'a> Touches<'a> {
    /// The job that the fact is about: the changed job, or the job of the changed task.
    pub fn job_id(&self) -> Option<&'a JobId> {
        let own = self.job.map(|job| job.id);
        own.or_else(|| self.task.and_then(|task| task.job))
    }

    /// The agent that the fact is about: the agent itself, the holder of the attempt, or the held agent.
    pub fn agent_id(&self) -> Option<&'a AgentId> {
        let holder = self.attempt.map(|attempt| attempt.agent);
        let held = self.hold.and_then(|hold| match hold.scope {
            Scope::Agent(agent) => Some(agent),
            Scope::Everything | Scope::Queue(_) => None,
        });
        self.agent.or(holder).or(held)
    }

    fn with(mut self, output: &'a Arc<Output>) -> Touches<'a> {
        self.output = Some(output);
        self
    }
}

fn of_task<'a>(task: &'a Subject, change: TaskChange<'a>) -> Touches<'a> {
    changed(task.number, &task.id, task.job.as_ref(), change)
}

fn of_record<'a>(task: &'a Task, change: TaskChange<'a>) -> Touches<'a> {
    changed(task.number, &task.id, task.job.as_ref(), change)
}

fn changed<'a>(
    number: Number,
    id: &'a TaskId,
    job: Option<&'a JobId>,
    change: TaskChange<'a>,
) -> Touches<'a> {
    let is_counted = match change {
        TaskChange::Submitted(_) | TaskChange::Changed => false,
        TaskChange::Ended | TaskChange::Retried { .. } | TaskChange::Removed { .. } => true,
    };
    Touches {
        task: Some(TouchedTask {
            number,
            id,
            job,
            change,
        }),
        job: job.filter(|_| is_counted).map(|id| TouchedJob {
            id,
            change: JobChange::Counted,
        }),
        ..Touches::default()
    }
}

fn of_attempt<'a>(
    task: &'a Subject,
    number: AttemptNumber,
    agent: &'a AgentId,
    change: AttemptChange,
) -> Touches<'a> {
    let of_task = of_task(
        task,
        match change {
            AttemptChange::Succeeded | AttemptChange::Cancelled => TaskChange::Ended,
            AttemptChange::Granted
            | AttemptChange::Lost
            | AttemptChange::Resumed
            | AttemptChange::Released
            | AttemptChange::Failed
            | AttemptChange::CancelAsked => TaskChange::Changed,
        },
    );
    Touches {
        attempt: Some(TouchedAttempt {
            number,
            agent,
            change,
        }),
        ..of_task
    }
}

fn of_job(id: &JobId, change: JobChange) -> Touches<'_> {
    Touches {
        job: Some(TouchedJob { id, change }),
        ..Touches::default()
    }
}

fn of_agent(agent: &AgentId) -> Touches<'_> {
    Touches {
        agent: Some(agent),
        ..Touches::default()
    }
}

fn of_hold<'a>(scope: &'a Scope, record: Option<&'a Arc<Hold>>) -> Touches<'a> {
    Touches {
        hold: Some(TouchedHold { scope, record }),
        ..Touches::default()
    }
}
