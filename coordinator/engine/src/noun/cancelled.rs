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
        let mut next = self.attempt_count.0 + 1;
        for attempt in self.attempts.iter().rev() {
            if attempt.number.0 + 1 < next {
                // The attempts in between are forgotten.
                return Some(CancelledWork::Unknown);
            }
            if attempt.round != self.round {
                break;
            }
            match &attempt.outcome {
                // A refusal says nothing of the attempts before it.
                Outcome::Released { refused: true, .. } => next = attempt.number.0,
                Outcome::Cancelled | Outcome::Released { refused: false, .. } => {
                    return Some(CancelledWork::Ended);
                }
                Outcome::Succeeded => return Some(CancelledWork::Succeeded),
                Outcome::Failed(_) => return Some(CancelledWork::Failed),
                Outcome::Lost(_) => return Some(CancelledWork::Unknown),
            }
        }
        Some(CancelledWork::NotStarted)
    }
}
