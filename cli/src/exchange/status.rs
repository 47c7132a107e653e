//! The status of a task, in the words of every format.

use swarm_proto::v1::TaskState;

/// The meaning of a status for an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// It has not begun.
    Open,
    /// It had begun, or had failed: it begins anew.
    Begun,
    /// It has succeeded.
    Done,
    /// Somebody cancelled it.
    Cancelled,
}

/// The words of the formats, and ours.
const WORDS: &[(&str, Status)] = &[
    ("pending", Status::Open),
    ("not_started", Status::Open),
    ("queued", Status::Open),
    ("blocked", Status::Open),
    ("claimed", Status::Begun),
    ("in_progress", Status::Begun),
    ("failed", Status::Begun),
    ("completed", Status::Done),
    ("cancelled", Status::Cancelled),
];

/// Words that say the same.
const OTHER_WORDS: &[(&str, Status)] = &[
    ("delayed", Status::Open),
    ("waiting", Status::Open),
    ("running", Status::Begun),
    ("skipped", Status::Begun),
    ("succeeded", Status::Done),
    ("done", Status::Done),
    ("canceled", Status::Cancelled),
];

/// The meaning of a word.
///
/// # Errors
///
/// A sentence that quotes the word and names the usual ones.
pub(super) fn parse(word: &str) -> Result<Status, String> {
    let lower = word.trim().to_ascii_lowercase();
    match WORDS.iter().chain(OTHER_WORDS).find(|(known, _)| *known == lower) {
        Some((_, status)) => Ok(*status),
        None => {
            let known: Vec<&str> = WORDS.iter().map(|(word, _)| *word).collect();
            Err(format!("'{word}' is none of {}", known.join(", ")))
        }
    }
}

/// The words of one format for the stages of a task's life.
pub(super) struct Words {
    /// The task can begin, or waits.
    pub(super) open: &'static str,
    /// An agent runs it.
    pub(super) running: &'static str,
    /// It succeeded.
    pub(super) done: &'static str,
    /// It failed.
    pub(super) failed: &'static str,
    /// It was cancelled; `None` for a format without this word.
    pub(super) cancelled: Option<&'static str>,
}

impl Words {
    /// The word for a state, and our own word where it is more precise.
    pub(super) fn of(&self, state: TaskState) -> (&'static str, Option<&'static str>) {
        match state {
            TaskState::Unspecified
            | TaskState::Blocked
            | TaskState::Delayed
            | TaskState::Queued
            | TaskState::Waiting => (self.open, None),
            TaskState::Running => (self.running, None),
            TaskState::Succeeded => (self.done, None),
            TaskState::Failed => (self.failed, None),
            TaskState::Skipped => (self.failed, Some("skipped")),
            TaskState::Cancelled => match self.cancelled {
                Some(word) => (word, None),
                None => (self.failed, Some("cancelled")),
            },
        }
    }

    /// Whether our own word agrees with the format's; somebody may have changed one of them.
    pub(super) fn agree(&self, word: &str, ours: &str) -> bool {
        word == self.failed && (ours == "skipped" || (ours == "cancelled" && self.cancelled.is_none()))
    }
}
