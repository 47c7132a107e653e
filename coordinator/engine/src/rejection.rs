//! Refusals that a caller can act on. The engine knows no other failure.

use std::{fmt, sync::Arc, time::Duration};

use crate::{
    id::{AgentId, AttemptNumber, JobId, QueueName, Seq, TaskId},
    limits::{MAX_CLASSES, MAX_NAMED_FAULTS, MAX_QUEUE_CLASSES, MAX_RULES},
    noun::task::TaskState,
};

/// Why a request, or one item of it, was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// The request has faults; it changed nothing.
    Invalid(Faults),
    /// No task has this id.
    TaskNotFound(TaskId),
    /// No job has this id.
    JobNotFound(JobId),
    /// No agent has registered under this id, or it said goodbye.
    AgentNotFound(AgentId),
    /// The attempt belongs to another agent, or is over.
    LeaseLost {
        /// The task.
        task: TaskId,
        /// The attempt that the caller held.
        attempt: AttemptNumber,
        /// The state of the task now.
        state: TaskState,
        /// The number of the task's newest attempt.
        newest: AttemptNumber,
    },
    /// A newer session of the same agent exists.
    AgentReplaced(AgentId),
    /// Another process is this agent, at another place, and alive.
    AgentElsewhere {
        /// The agent.
        agent: AgentId,
        /// The name of the machine of the process that is alive.
        host: Arc<str>,
        /// The name of the machine of the refused process.
        refused: Arc<str>,
        /// For how long the first one has to be silent from now on until another one may take its place.
        rest: Duration,
    },
    /// The caller does not have the token of the agent's session.
    SessionUnproven(AgentId),
    /// The task has changed since the caller read it.
    RevisionMismatch {
        /// The task.
        task: TaskId,
        /// Its revision now.
        revision: Seq,
    },
    /// The task has ended and can't be cancelled.
    TaskFinished {
        /// The task.
        task: TaskId,
        /// Its final state.
        state: TaskState,
    },
    /// The task has no lease to release, or another attempt has it.
    TaskNotRunning {
        /// The task.
        task: TaskId,
        /// Its state.
        state: TaskState,
        /// The attempt that was named.
        attempt: Option<AttemptNumber>,
    },
    /// The task has not ended and can't be retried.
    TaskNotFinished {
        /// The task.
        task: TaskId,
        /// Its state.
        state: TaskState,
    },
    /// The task can't be removed: a task that has not ended, or was skipped, depends on it.
    TaskNeeded(TaskId),
    /// The task can't run: a dependency did not succeed.
    DependencyFailed {
        /// The task.
        task: TaskId,
        /// The dependency to retry instead.
        dependency: TaskId,
    },
    /// The task can't run: an unmet dependency was removed.
    DependencyRemoved {
        /// The task.
        task: TaskId,
        /// The dependency.
        dependency: TaskId,
    },
    /// There is already as much as there may be.
    Full(Full),
}

/// There is already as much of something as there may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Full {
    /// Holds and limits of queues, while the queue has no tasks.
    Rules(QueueName),
    /// Different demands on agents in a queue.
    Classes(QueueName),
    /// Different demands on agents in all queues.
    AllClasses,
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Full::Rules(queue) => write!(
                f,
                "queue {queue} has no tasks, and {MAX_RULES} holds and limits of queues are in place already: lift \
                 some of queues that are no longer used"
            ),
            Full::Classes(queue) => write!(
                f,
                "the tasks of queue {queue} that have not ended ask for agents in {MAX_QUEUE_CLASSES} different ways \
                 already: submit to another queue, or ask for fewer different labels"
            ),
            Full::AllClasses => write!(
                f,
                "the tasks that have not ended ask for agents in {MAX_CLASSES} different ways already, counted over \
                 all queues: use fewer queues or fewer different labels"
            ),
        }
    }
}

/// A fault of a request: one wrong field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Its kind.
    pub kind: FaultKind,
    /// The field's path in the request, such as `tasks[3].spec.priority`.
    pub field: String,
    /// A sentence for people.
    pub description: String,
}

/// Kinds of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// A field has an invalid value.
    Field,
    /// A spec is over its limit.
    SpecTooLarge,
    /// Tasks wait for each other.
    DependencyCycle,
    /// A dependency is neither in the request nor known.
    DependencyUnknown,
    /// The id belongs to a task with another spec.
    TaskExists,
    /// The id belongs to a job with other tasks.
    JobExists,
}

/// All faults of a request: the first ones in full, the rest as a number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    named: Vec<Fault>,
    more: usize,
}

impl Faults {
    /// Adds a fault.
    pub fn add(&mut self, kind: FaultKind, field: impl Into<String>, description: impl Into<String>) {
        if self.named.len() < MAX_NAMED_FAULTS {
            self.named.push(Fault {
                kind,
                field: field.into(),
                description: description.into(),
            });
        } else {
            self.more += 1;
        }
    }

    /// Whether there are no faults.
    pub fn is_empty(&self) -> bool {
        self.named.is_empty()
    }

    /// The first faults, in full.
    pub fn named(&self) -> &[Fault] {
        &self.named
    }

    /// The number of further faults.
    pub fn more(&self) -> usize {
        self.more
    }

    /// The kind of the whole refusal: an invalid value counts more than an id that exists already.
    pub fn kind(&self) -> FaultKind {
        let conflict = |kind| matches!(kind, FaultKind::TaskExists | FaultKind::JobExists);
        self.named
            .iter()
            .map(|fault| fault.kind)
            .find(|kind| !conflict(*kind))
            .or_else(|| self.named.first().map(|fault| fault.kind))
            .unwrap_or(FaultKind::Field)
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.named.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{}: {}", fault.field, fault.description)?;
        }
        if self.more > 0 {
            write!(f, "; and {} more", self.more)?;
        }
        Ok(())
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rejection::Invalid(faults) => write!(f, "{faults}"),
            Rejection::Full(full) => write!(f, "{full}"),
            Rejection::TaskNotFound(task) => write!(f, "no task has the id {task}"),
            Rejection::JobNotFound(job) => write!(f, "no job has the id {job}"),
            Rejection::AgentNotFound(agent) => write!(f, "no agent is registered as {agent}"),
            Rejection::LeaseLost {
                task,
                attempt,
                state,
                newest,
            } => write!(
                f,
                "attempt {} of task {task} is over for this agent: the task is {state}, its newest attempt is {}",
                attempt.0, newest.0
            ),
            Rejection::AgentReplaced(agent) => {
                write!(
                    f,
                    "a newer session of agent {agent} exists: two programs use one identity"
                )
            }
            Rejection::AgentElsewhere {
                agent,
                host,
                refused,
                rest,
            } => write!(
                f,
                "agent {agent} is at work on {host}, and this is a copy of it on {refused}; it takes over when the \
                 first one says goodbye or stays silent for {} s more",
                rest.as_millis().div_ceil(1_000)
            ),
            Rejection::SessionUnproven(agent) => {
                write!(f, "the token of agent {agent}'s session is missing or wrong")
            }
            Rejection::RevisionMismatch { task, revision } => {
                write!(f, "task {task} has changed: its revision is {} now", revision.0)
            }
            Rejection::TaskFinished { task, state } => write!(f, "task {task} has already ended as {state}"),
            Rejection::TaskNotRunning {
                task,
                state: TaskState::Running,
                attempt: Some(attempt),
            } => write!(
                f,
                "attempt {} of task {task} does not run: another one does",
                attempt.0
            ),
            Rejection::TaskNotRunning { task, state, .. } => {
                write!(f, "nobody has a lease of task {task}: it is {state}")
            }
            Rejection::TaskNotFinished { task, state } => {
                write!(f, "task {task} has not ended: it is {state}")
            }
            Rejection::TaskNeeded(task) => write!(
                f,
                "task {task} is needed: a task that depends on it has not ended, or was skipped and may come back"
            ),
            Rejection::DependencyRemoved { task, dependency } => {
                write!(
                    f,
                    "task {task} waits for {dependency}, which is no longer kept: submit it under a new id"
                )
            }
            Rejection::DependencyFailed { task, dependency } => {
                write!(
                    f,
                    "task {task} depends on {dependency}, which did not succeed: retry {dependency} first"
                )
            }
        }
    }
}
