//! Tasks: what somebody wants done, and what has become of it so far.

use std::{fmt, sync::Arc, time::Duration};

use crate::{
    id::{AttemptNumber, JobId, Number, QueueName, Seq, TaskId},
    limits::{FIRST_ATTEMPTS, LAST_ATTEMPTS},
    noun::{
        attempt::Attempt,
        lazy_box::{Empty, LazyBox},
        lease::Lease,
        needs::{Bucket, Needs},
        outcome::{Loss, Outcome},
        tries::{RetryPolicy, Tries},
    },
    time::{Millis, Timestamp},
};

/// A task's record: everything durable about it. Its [`TaskState`] follows from the record alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// Its place in the order of creation.
    pub number: Number,
    /// What the submitter calls it.
    pub id: TaskId,
    /// The job it came with.
    pub job: Option<JobId>,
    /// The encoded spec as sent. The engine decides on the fields below and never looks inside.
    pub spec: Arc<[u8]>,
    /// Who may be given it, and when.
    pub needs: Arc<Needs>,
    /// The part of all tasks that it belongs to.
    pub bucket: Bucket,
    /// Higher first.
    pub priority: i16,
    /// Tasks that have to end first.
    pub dependencies: LazyBox<Vec<Dependency>>,
    /// How many of them still have to end; kept beside the flags so that the state is known at once.
    pub unmet: u32,
    /// How it is tried again.
    pub retry: RetryPolicy,
    /// How long one attempt may run.
    pub timeout: Millis,
    /// When it may run at all.
    pub times: LazyBox<Times>,
    /// When it was submitted.
    pub created: Timestamp,
    /// The seq of its last event.
    pub revision: Seq,
    /// From 1; each retry of the ended task begins another.
    pub round: u32,
    /// Its ended attempts: the first two and the last eight, in order.
    pub attempts: LazyBox<Vec<Attempt>>,
    /// The number of its newest attempt.
    pub attempt_count: AttemptNumber,
    /// What counts against its limits in this round.
    pub tries: LazyBox<Tries>,
    /// Where it is.
    pub phase: Phase,
}

/// When a task may run at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// It is not started before this time: what was asked for and the delay, whichever is later.
    pub not_before: Option<Timestamp>,
    /// It fails when it has not ended by then.
    pub deadline: Option<Timestamp>,
}

impl Empty for Times {
    const EMPTY: &'static Self = &Times {
        not_before: None,
        deadline: None,
    };
}

/// A task that has to end before another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependency {
    /// The other task.
    pub task: TaskId,
    /// How it has to end.
    pub condition: Condition,
    /// It has ended so. Once met, it stays met.
    pub met: bool,
}

impl Empty for Vec<Dependency> {
    const EMPTY: &'static Self = &Vec::new();
}

/// How a dependency has to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// It has to succeed.
    Succeeded,
    /// Any end will do.
    Finished,
}

impl Condition {
    /// Whether this end is the wanted one.
    pub fn is_met_by(self, end: &End) -> bool {
        match self {
            Condition::Succeeded => matches!(end, End::Succeeded),
            Condition::Finished => true,
        }
    }
}

/// The stored phases; the shown state adds what the dependencies and the due time say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Blocked, delayed or queued.
    Pending {
        /// It waits for this time; taken away by the event that says it has come.
        due: Option<Timestamp>,
    },
    /// Leased to an agent. Boxed, for most tasks wait, and each would have the room.
    Running(Box<Lease>),
    /// In a final state. Boxed for the same reason.
    Ended(Box<Ended>),
}

/// A final state, and since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Which one.
    pub end: End,
    /// Since when.
    pub at: Timestamp,
}

impl Phase {
    /// The final state that begins at this time.
    pub fn ended(end: End, at: Timestamp) -> Phase {
        Phase::Ended(Box::new(Ended { end, at }))
    }
}

/// The end that a task had, told when it has it no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PastEnd {
    /// Its final state.
    pub state: TaskState,
    /// Since when it was in it.
    pub at: Timestamp,
}

/// The final states.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// An attempt succeeded.
    Succeeded,
    /// It is not tried again.
    Failed {
        /// Why, in words.
        reason: Arc<str>,
    },
    /// Somebody cancelled it.
    Cancelled,
    /// It never ran.
    Skipped {
        /// The dependency that did not succeed.
        because: TaskId,
    },
}

/// Where a task is in its life, as shown to people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TaskState {
    /// Waits for other tasks.
    Blocked,
    /// Waits for a time.
    Delayed,
    /// Can be claimed.
    Queued,
    /// Leased to an agent.
    Running,
    /// An attempt succeeded.
    Succeeded,
    /// It is not tried again.
    Failed,
    /// Somebody cancelled it.
    Cancelled,
    /// It never ran because a dependency did not succeed.
    Skipped,
}

impl TaskState {
    /// Every state, in the order of [`crate::noun::counts::Counts`].
    pub const ALL: [TaskState; 8] = [
        TaskState::Blocked,
        TaskState::Delayed,
        TaskState::Queued,
        TaskState::Running,
        TaskState::Succeeded,
        TaskState::Failed,
        TaskState::Cancelled,
        TaskState::Skipped,
    ];
}

impl fmt::Display for TaskState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TaskState::Blocked => "blocked",
            TaskState::Delayed => "delayed",
            TaskState::Queued => "queued",
            TaskState::Running => "running",
            TaskState::Succeeded => "succeeded",
            TaskState::Failed => "failed",
            TaskState::Cancelled => "cancelled",
            TaskState::Skipped => "skipped",
        })
    }
}

impl Task {
    /// The line it waits in.
    pub fn queue(&self) -> &QueueName {
        &self.needs.class.queue
    }

    /// Where it is in its life.
    pub fn state(&self) -> TaskState {
        match &self.phase {
            Phase::Pending { .. } if self.unmet > 0 => TaskState::Blocked,
            Phase::Pending { due: Some(_) } => TaskState::Delayed,
            Phase::Pending { due: None } => TaskState::Queued,
            Phase::Running(_) => TaskState::Running,
            Phase::Ended(ended) => match ended.end {
                End::Succeeded => TaskState::Succeeded,
                End::Failed { .. } => TaskState::Failed,
                End::Cancelled => TaskState::Cancelled,
                End::Skipped { .. } => TaskState::Skipped,
            },
        }
    }

    /// The time that it waits for.
    pub fn due(&self) -> Option<Timestamp> {
        match &self.phase {
            Phase::Pending { due } => *due,
            Phase::Running(_) | Phase::Ended(_) => None,
        }
    }

    /// Its lease, while it runs.
    pub fn lease(&self) -> Option<&Lease> {
        match &self.phase {
            Phase::Running(lease) => Some(lease),
            _ => None,
        }
    }

    /// Its final state, once it has one.
    pub fn end(&self) -> Option<&End> {
        match &self.phase {
            Phase::Ended(ended) => Some(&ended.end),
            _ => None,
        }
    }

    /// Whether it has ended by itself. A skipped task has not: it comes back with what it was skipped for.
    pub fn is_finished(&self) -> bool {
        match self.end() {
            None | Some(End::Skipped { .. }) => false,
            Some(End::Succeeded | End::Failed { .. } | End::Cancelled) => true,
        }
    }

    /// The newest attempt that reported anything.
    pub fn last_report(&self) -> Option<&Attempt> {
        self.attempts
            .iter()
            .rev()
            .find(|attempt| attempt.report.is_some())
    }

    /// Its final state with its time, once it has one.
    pub fn past_end(&self) -> Option<PastEnd> {
        match &self.phase {
            Phase::Ended(ended) => Some(PastEnd {
                state: self.state(),
                at: ended.at,
            }),
            _ => None,
        }
    }

    /// The dependencies that still have to end.
    pub fn unmet_dependencies(&self) -> impl Iterator<Item = &Dependency> {
        self.dependencies.iter().filter(|dependency| !dependency.met)
    }

    /// How long an attempt granted at this time may run: the timeout, shortened by the deadline.
    pub fn time_limit(&self, granted: Timestamp) -> Duration {
        let timeout = self.timeout.into();
        match self.times.deadline {
            Some(deadline) => (deadline - granted).min(timeout),
            None => timeout,
        }
    }

    /// The newest attempt, if it ended by expiry and nothing has happened to the task since: no
    /// grant, retry or cancel. Becoming due is nothing.
    pub fn untouched_loss(&self) -> Option<(&Attempt, Loss)> {
        let last = self.attempts.last()?;
        match (&self.phase, &last.outcome) {
            (Phase::Pending { .. }, Outcome::Lost(loss))
                if last.number == self.attempt_count && last.round == self.round =>
            {
                Some((last, *loss))
            }
            _ => None,
        }
    }

    /// The counts of a task as if its untouched loss had never been.
    pub fn tries_without_loss(&self) -> Tries {
        let mut tries = (*self.tries).clone();
        let Some((lost, loss)) = self.untouched_loss() else {
            return tries;
        };
        match loss {
            Loss::Silent | Loss::Overdue => {
                tries.losses = tries.losses.saturating_sub(1);
                let lost_before = self.attempts.iter().any(|attempt| {
                    attempt.number != lost.number
                        && attempt.round == self.round
                        && attempt.agent == lost.agent
                        && attempt.outcome.is_machine_loss()
                });
                if !lost_before {
                    tries.lost_on.retain(|agent| *agent != lost.agent);
                }
            }
            Loss::Undelivered => tries.undelivered = tries.undelivered.saturating_sub(1),
            Loss::Replaced | Loss::Deregistered => {}
        }
        tries
    }

    /// Remembers an ended attempt, and forgets one from the middle when there are too many.
    pub(crate) fn remember(&mut self, attempt: Attempt) {
        self.attempts.push(attempt);
        if self.attempts.len() > FIRST_ATTEMPTS + LAST_ATTEMPTS {
            self.attempts.remove(FIRST_ATTEMPTS);
        }
    }
}
