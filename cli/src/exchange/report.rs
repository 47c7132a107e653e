//! The notes of an import about a file: one line for each kind of remark.

use std::collections::{BTreeMap, BTreeSet};

use super::schema::Schema;
use crate::output::text::counted;

/// At most this many tasks are named in a line.
const MAX_NAMED: usize = 10;

/// At most this many fields get a line each; more are counted together. A format has fewer.
const MAX_FIELDS: usize = 40;

/// The remarks of an import.
#[derive(Default)]
pub(super) struct Report {
    /// Kept fields, with their keys and numbers of tasks.
    kept: BTreeMap<String, (String, usize)>,
    /// Dropped fields of the past, with their numbers of tasks.
    past: BTreeMap<String, usize>,
    pub(super) done: Vec<String>,
    pub(super) cancelled: Vec<String>,
    /// Tasks that begin anew.
    pub(super) begun: Vec<String>,
    /// Dependencies that are met already.
    pub(super) met: usize,
    /// Completed tasks that others depend on.
    pub(super) met_ids: BTreeSet<String>,
    /// Tasks that depend on tasks which are done in the file.
    pub(super) leaning: BTreeSet<String>,
    /// Tasks that no agent runs yet.
    pub(super) prompts: usize,
    /// Failed tasks that the file only has the ids of.
    pub(super) unknown: Vec<String>,
    /// Fields of the file itself that are too long for a label.
    pub(super) dropped: Vec<String>,
}

impl Report {
    pub(super) fn kept(&mut self, schema: &Schema, field: &str) {
        let key = || (schema.key(field), 0);
        self.kept.entry(field.to_owned()).or_insert_with(key).1 += 1;
    }

    pub(super) fn past(&mut self, field: &str) {
        *self.past.entry(field.to_owned()).or_default() += 1;
    }

    /// The lines for people.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (field, (key, tasks)) in self.kept.iter().take(MAX_FIELDS) {
            lines.push(format!(
                "`{field}` of {} has no meaning here yet; kept in metadata as {key}",
                counted(*tasks as u64, "task")
            ));
        }
        if self.kept.len() > MAX_FIELDS {
            lines.push(format!(
                "{} more fields are kept in metadata in the same way",
                self.kept.len() - MAX_FIELDS
            ));
        }
        if !self.past.is_empty() {
            let fields: Vec<&str> = self.past.keys().map(String::as_str).collect();
            lines.push(format!(
                "not kept, for they tell what became of the tasks elsewhere: {}",
                fields.join(", ")
            ));
        }
        if !self.dropped.is_empty() {
            lines.push(format!(
                "not kept, for they are too long: {}",
                self.dropped.join(", ")
            ));
        }
        if !self.begun.is_empty() {
            lines.push(format!(
                "begun or failed elsewhere, and submitted to begin anew: {}",
                named(&self.begun)
            ));
        }
        if !self.unknown.is_empty() {
            lines.push(format!(
                "failed elsewhere, and not submitted, for the file has only their ids: {}",
                named(&self.unknown)
            ));
        }
        if !self.done.is_empty() {
            lines.push(format!(
                "completed elsewhere, and not submitted again: {}; --all submits them too",
                named(&self.done)
            ));
        }
        if !self.cancelled.is_empty() {
            lines.push(format!(
                "cancelled elsewhere, and not submitted: {}; --all submits them too",
                named(&self.cancelled)
            ));
        }
        if self.met > 0 {
            lines.push(format!(
                "{} on completed tasks: met, and kept in metadata",
                match self.met {
                    1 => "1 dependency".to_owned(),
                    met => format!("{met} dependencies"),
                }
            ));
        }
        if self.prompts > 0 {
            lines.push(format!(
                "{}: no agent of this version runs prompts, so they wait in their queue",
                counted(self.prompts as u64, "prompt")
            ));
        }
        lines
    }
}

/// Ids in a sentence: their number, and the first few.
fn named(ids: &[String]) -> String {
    let mut first = ids[..ids.len().min(MAX_NAMED)].join(", ");
    if ids.len() > MAX_NAMED {
        first.push_str(&format!(" and {} more", ids.len() - MAX_NAMED));
    }
    format!("{} ({first})", counted(ids.len() as u64, "task"))
}
