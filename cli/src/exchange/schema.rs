//! The meaning of foreign fields: one table for each format, for import and export alike.

use super::status::Words;

/// A foreign format.
pub(super) struct Schema {
    /// Its name in messages.
    pub(super) name: &'static str,
    /// The beginning of its keys in metadata.
    pub(super) prefix: &'static str,
    /// Fields of a task with a meaning here. Of several fields with one meaning, import takes the first in the file
    /// and export writes the first in the table. Other fields are kept.
    pub(super) fields: &'static [(&'static str, Meaning)],
    /// Versions to read; any version when there are none.
    pub(super) versions: &'static [&'static str],
    /// Fields beside the tasks that import drops, because export makes them anew.
    pub(super) made_anew: &'static [&'static str],
    /// Fields beside the tasks with their usual values, which import drops.
    pub(super) usual_top: &'static [(&'static str, &'static str)],
    /// Words of priorities; export writes the first word of a number.
    pub(super) priorities: &'static [(&'static str, i32)],
    /// Words of a task's status.
    pub(super) statuses: Words,
    /// Whether a task without a name has its id as name.
    pub(super) is_named_by_id: bool,
    /// Whether a task needs no id, so that one is derived from its fields.
    pub(super) derives_ids: bool,
}

/// The meaning of a task's field.
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
    /// The priority in words.
    Priority,
    /// Ids of tasks that must succeed first.
    Dependencies,
    /// Whether it may run beside others.
    Parallel,
    /// Further tries after the first failure.
    Retries,
    /// The task's status.
    Status,
    /// Fields of our job file that the format lacks.
    Ours,
    /// A field with a usual value, which import drops and export writes.
    Usual(&'static str),
    /// The other system's past with the task, which is dropped.
    Past,
}

impl Schema {
    /// The meaning of a field; `None` for a field that is kept.
    pub(super) fn meaning(&self, field: &str) -> Option<Meaning> {
        self.fields
            .iter()
            .find(|(name, _)| *name == field)
            .map(|(_, meaning)| *meaning)
    }

    /// The field that export writes for a meaning, if the format has one.
    pub(super) fn field(&self, meaning: Meaning) -> Option<&'static str> {
        self.fields
            .iter()
            .find(|(_, known)| *known == meaning)
            .map(|(name, _)| *name)
    }

    /// The key of a kept field in metadata.
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

    /// The nearest word for a priority; of two equally near words the less urgent.
    pub(super) fn priority_word(&self, priority: i32) -> Option<&'static str> {
        self.priorities
            .iter()
            .min_by_key(|(_, number)| (number.abs_diff(priority), *number))
            .map(|(word, _)| *word)
    }
}

/// The field for everything that a format lacks.
pub(super) const OURS: &str = "swarm";

/// Below `swarm`: the task's state, where the format's status is less precise.
pub(super) const STATE: &str = "state";

/// Below `swarm`, and in metadata after the format's prefix: dependencies that had succeeded before the import.
pub(super) const MET: &str = "met_dependencies";

/// The exclusive group of tasks that are not parallel safe, if no other name is given.
pub(super) const UNSAFE_GROUP: &str = "parallel-unsafe";
