//! Cancelled tasks: what had become of their work.

use crate::noun::{
    outcome::Outcome,
    task::{End, Task},
};

/// What had become of a cancelled task's work: a cancel may come before it, in it or after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelledWork {
    /// No attempt of the round had begun.
    NotStarted,
    /// The newest attempt was ended before it had finished.
    Ended,
    /// The newest attempt had done the work before it was told.
    Succeeded,
    /// The newest attempt had failed by itself.
    Failed,
    /// The newest attempt was lost: its agent never said what became of it.
    Unknown,
}

impl Task {
    /// What had become of its work; `None` unless it is cancelled.
    pub fn cancelled_work(&self) -> Option<CancelledWork> {
        if !matches!(self.end(), Some(End::Cancelled)) {
            return None;
        }
        let newest = self.attempts.last().filter(|last| last.round == self.round);
        Some(match newest.map(|attempt| &attempt.outcome) {
            None => CancelledWork::NotStarted,
            Some(Outcome::Released { refused: true, .. }) => CancelledWork::NotStarted,
            Some(Outcome::Cancelled | Outcome::Released { refused: false, .. }) => CancelledWork::Ended,
            Some(Outcome::Succeeded) => CancelledWork::Succeeded,
            Some(Outcome::Failed(_)) => CancelledWork::Failed,
            Some(Outcome::Lost(_)) => CancelledWork::Unknown,
        })
    }
}
