//! Tasks: the work that a submitter wants done, and its progress.

use std::{fmt, sync::Arc, time::Duration};

use crate::{
    id::{AttemptNumber, JobId, Number, QueueName, Seq, TaskId},
    limits::{FIRST_ATTEMPTS, LAST_ATTEMPTS},
    noun::{
        attempt::Attempt,
        cut::Cut,
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
    /// Its id, chosen by the submitter.
    pub id: TaskId,
    /// The job it came with.
    pub job: Option<JobId>,
    /// The encoded spec as sent. The engine decides by the fields below and never reads the spec.
    pub spec: Arc<[u8]>,
    /// Its demands on an agent and on the moment.
    pub needs: Arc<Needs>,
    /// The bucket that decides its shard.
    pub bucket: Bucket,
    /// Its priority: higher ones are granted first.
    pub priority: i16,
    /// Its dependencies, which must end first.
    pub dependencies: LazyBox<Vec<Dependency>>,
    /// The number of unmet dependencies, counted once so that the state is known at once.
    pub unmet: u32,
    /// Its retries and backoffs.
    pub retry: RetryPolicy,
    /// The longest time that an attempt may run.
    pub timeout: Millis,
    /// Its start time and deadline.
    pub times: LazyBox<Times>,
    /// The time of its submit.
    pub created: Timestamp,
    /// The seq of its last event.
    pub revision: Seq,
    /// Its round, from 1: each retry of the ended task begins another.
    pub round: u32,
    /// Its ended attempts: the first two and the last eight, in order.
    pub attempts: LazyBox<Vec<Attempt>>,
    /// The number of its newest attempt.
    pub attempt_count: AttemptNumber,
    /// The counts against its limits in this round.
    pub tries: LazyBox<Tries>,
    /// Pending, running or ended.
    pub phase: Phase,
}

/// A task's start time and deadline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// Its earliest start: the time and the delay that were asked for, whichever is later.
    pub not_before: Option<Timestamp>,
    /// Its deadline: it fails when it has not ended by then.
    pub deadline: Option<Timestamp>,
}

impl Empty for Times {
    const EMPTY: &'static Self = &Times {
        not_before: None,
        deadline: None,
    };
}

/// A dependency: another task that must end first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependency {
    /// The other task.
    pub task: TaskId,
    /// The condition on its end.
    pub condition: Condition,
    /// The condition was met once; it stays met.
    pub met: bool,
    /// What was left of the other task's output when the condition was met; `None` when all of it was. Boxed, because
    /// few outputs are cut.
    pub cut: Option<Box<Cut>>,
}

impl Empty for Vec<Dependency> {
    const EMPTY: &'static Self = &Vec::new();
}

/// The condition on the end of a dependency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The dependency must succeed.
    Succeeded,
    /// Any end will do.
    Finished,
}

impl Condition {
    /// Whether this end meets the condition.
    pub fn is_met_by(self, end: &End) -> bool {
        match self {
            Condition::Succeeded => matches!(end, End::Succeeded),
            Condition::Finished => true,
        }
    }
}

/// The stored phase. The shown [`TaskState`] follows from it, the dependencies and the due time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Blocked, delayed or queued.
    Pending {
        /// The time that the task waits for, until an event says that it has come.
        due: Option<Timestamp>,
    },
    /// Leased to an agent. Boxed, because most tasks wait and need no memory for a lease.
    Running(Box<Lease>),
    /// In a final state. Boxed for the same reason.
    Ended(Box<Ended>),
}

/// A final state and its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The final state.
    pub end: End,
    /// The time at which it began.
    pub at: Timestamp,
}

impl Phase {
    /// The phase of a final state that begins at this time.
    pub fn ended(end: End, at: Timestamp) -> Phase {
        Phase::Ended(Box::new(Ended { end, at }))
    }
}

/// The former end of a task, kept in the fact that takes it away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PastEnd {
    /// The final state.
    pub state: TaskState,
    /// The time at which it began.
    pub at: Timestamp,
}

/// The final states.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// An attempt succeeded.
    Succeeded,
    /// It is not tried again.
    Failed {
        /// The reason, in words.
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

/// The state of a task, as people see it.
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
    /// Its queue.
    pub fn queue(&self) -> &QueueName {
        &self.needs.class.queue
    }

    /// Its state, as people see it.
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

    /// Whether it has ended for itself. A skipped task has not: it comes back with the task that caused the skip.
    pub fn is_finished(&self) -> bool {
        match self.end() {
            None | Some(End::Skipped { .. }) => false,
            Some(End::Succeeded | End::Failed { .. } | End::Cancelled) => true,
        }
    }

    /// The newest attempt with a report.
    pub fn last_report(&self) -> Option<&Attempt> {
        self.attempts
            .iter()
            .rev()
            .find(|attempt| attempt.report.is_some())
    }

    /// What is left of what its last reported attempt printed; `None` when all of it is kept.
    pub fn stdout_cut(&self) -> Option<Cut> {
        self.last_report()?.stdout_cut()
    }

    /// Its inputs that are cut: the dependencies, and what is left of their outputs.
    pub fn cut_inputs(&self) -> impl Iterator<Item = (&TaskId, Cut)> {
        let dependencies = self.dependencies.iter();
        dependencies.filter_map(|each| Some((&each.task, *each.cut.as_deref()?)))
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

    /// The unmet dependencies.
    pub fn unmet_dependencies(&self) -> impl Iterator<Item = &Dependency> {
        self.dependencies.iter().filter(|dependency| !dependency.met)
    }

    /// The longest time of an attempt granted at this time of the calendar: the timeout, shortened by the deadline.
    pub fn time_limit(&self, granted: Timestamp) -> Duration {
        let timeout = self.timeout.into();
        match self.times.deadline {
            Some(deadline) => (deadline - granted).min(timeout),
            None => timeout,
        }
    }

    /// The newest attempt, if it was lost and its task has not been granted, retried or cancelled since. A task that
    /// became due is still untouched.
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

    /// The counts against its limits, as if its untouched loss had never happened.
    pub fn tries_without_loss(&self) -> Tries {
        let mut tries = (*self.tries).clone();
        let Some((lost, loss)) = self.untouched_loss() else {
            return tries;
        };
        match loss {
            Loss::Silent | Loss::Overdue | Loss::Died => {
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
            Loss::Replaced | Loss::Deregistered | Loss::GivenUp => {}
        }
        tries
    }

    /// Remembers an ended attempt, and forgets one in the middle when there are too many.
    pub(crate) fn remember(&mut self, attempt: Attempt) {
        self.attempts.push(attempt);
        if self.attempts.len() > FIRST_ATTEMPTS + LAST_ATTEMPTS {
            self.attempts.remove(FIRST_ATTEMPTS);
        }
    }
}
