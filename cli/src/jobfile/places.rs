//! The places of the request's fields in the file.

use std::collections::BTreeMap;

use super::fault::Position;

/// Positions by the fields' paths in the request.
#[derive(Clone, Debug, Default)]
pub(super) struct Places(BTreeMap<String, Position>);

impl Places {
    /// Notes where a field is written; the first place stays.
    pub(super) fn record(&mut self, path: String, position: Position) {
        self.0.entry(path).or_insert(position);
    }

    /// The place of a field, or else of the field around it.
    pub(super) fn locate(&self, field: &str) -> Option<Position> {
        let mut path = field;
        loop {
            if let Some(position) = self.0.get(path) {
                return Some(*position);
            }
            // The field may come from the defaults.
            if let Some((_, inner)) = path.strip_prefix("tasks[").and_then(|rest| rest.split_once("]."))
                && let Some(position) = self.0.get(&format!("defaults.{inner}"))
            {
                return Some(*position);
            }
            path = &path[..path.rfind(['.', '['])?];
        }
    }
}
