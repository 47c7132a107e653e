//! How far a task is, in the words of every format.

use swarm_proto::v1::TaskState;

/// What a status of a file means for an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// It has not begun.
    Open,
    /// It had begun, or had failed: it begins anew.
    Begun,
    /// It is done.
    Done,
    /// Somebody decided that it is not done.
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

/// What a word means.
///
/// # Errors
///
/// A sentence that quotes it and names the usual ones.
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

/// The words of one format for where a task is in its life.
pub(super) struct Words {
    /// It can begin, or waits for something.
    pub(super) open: &'static str,
    /// An agent has it.
    pub(super) running: &'static str,
    /// It succeeded.
    pub(super) done: &'static str,
    /// It failed.
    pub(super) failed: &'static str,
    /// Somebody cancelled it; absent where the format has no word for it.
    pub(super) cancelled: Option<&'static str>,
}

impl Words {
    /// The word for a state, and our own one where that says more than an import has to know.
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

    /// Whether our own word stands behind the format's; somebody may have changed one of them.
    pub(super) fn agree(&self, word: &str, ours: &str) -> bool {
        word == self.failed && (ours == "skipped" || (ours == "cancelled" && self.cancelled.is_none()))
    }
}
