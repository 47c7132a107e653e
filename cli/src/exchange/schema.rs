//! What the fields of a foreign format mean here: one table for each format, read by import and export alike.

use super::status::Words;

/// A foreign format.
pub(super) struct Schema {
    /// What it is called in messages.
    pub(super) name: &'static str,
    /// What keys of metadata begin with.
    pub(super) prefix: &'static str,
    /// Fields of a task that mean something here; of several with one meaning the first that is given counts, and
    /// export writes the first. All others are kept.
    pub(super) fields: &'static [(&'static str, Meaning)],
    /// Versions that are read; any when there are none.
    pub(super) versions: &'static [&'static str],
    /// Fields beside the tasks that are no one's loss: export makes them anew.
    pub(super) made_anew: &'static [&'static str],
    /// Fields beside the tasks that say nothing when they have this value.
    pub(super) usual_top: &'static [(&'static str, &'static str)],
    /// Words of priorities; the first of a number is written.
    pub(super) priorities: &'static [(&'static str, i32)],
    /// Words for how far a task is.
    pub(super) statuses: Words,
    /// A task without a name has its id in the place of the name.
    pub(super) is_named_by_id: bool,
    /// A task needs no id: one is derived from what it says.
    pub(super) derives_ids: bool,
}

/// What a field of a task means here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Meaning {
    /// The task's id.
    Id,
    /// The text for a language model.
    Text,
    /// A line for a shell.
    Shell,
    /// Whether the text or the line counts: `llm` or `local`.
    Mode,
    /// Which language model.
    Model,
    /// The name for people.
    Name,
    /// How urgent it is, in words.
    Priority,
    /// Ids of tasks that have to succeed first.
    Dependencies,
    /// Whether it may run beside others.
    Parallel,
    /// Further tries after the first failure.
    Retries,
    /// How far it is.
    Status,
    /// What the format has no place for, in the fields of our job file.
    Ours,
    /// Says nothing when it has this value, which export writes when there is none.
    Usual(&'static str),
    /// What the other system did with the task. It is not part of the work, and not kept.
    Past,
}

impl Schema {
    /// What a field means; nothing for one that is kept.
    pub(super) fn meaning(&self, field: &str) -> Option<Meaning> {
        self.fields
            .iter()
            .find(|(name, _)| *name == field)
            .map(|(_, meaning)| *meaning)
    }

    /// The field that export writes for a meaning; nothing when the format has none.
    pub(super) fn field(&self, meaning: Meaning) -> Option<&'static str> {
        self.fields
            .iter()
            .find(|(_, known)| *known == meaning)
            .map(|(name, _)| *name)
    }

    /// The key of metadata that a field is kept under.
    pub(super) fn key(&self, field: &str) -> String {
        format!("{}.{field}", self.prefix)
    }

    /// The number of a word for a priority.
    pub(super) fn priority(&self, word: &str) -> Option<i32> {
        let word = word.trim();
        self.priorities
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(word))
            .map(|(_, number)| *number)
    }

    /// The word for a priority that comes nearest; of two as near the less urgent.
    pub(super) fn priority_word(&self, priority: i32) -> Option<&'static str> {
        self.priorities
            .iter()
            .min_by_key(|(_, number)| (number.abs_diff(priority), *number))
            .map(|(word, _)| *word)
    }
}

/// The field of every format that holds what the format has no place for.
pub(super) const OURS: &str = "swarm";

/// Among ours: the state of the task, where the format's status says less.
pub(super) const STATE: &str = "state";

/// Among ours, and in metadata behind the format's prefix: dependencies that had succeeded when the task was imported.
pub(super) const MET: &str = "met_dependencies";

/// The group of tasks that may not run beside each other, where no name is given for it.
pub(super) const UNSAFE_GROUP: &str = "parallel-unsafe";
