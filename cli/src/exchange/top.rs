//! The top level of a foreign file: its tasks, and the fields beside them.

use std::{collections::BTreeSet, rc::Rc};

use super::{metadata, report::Report, schema::Schema};
use crate::jobfile::{
    fault::Faults,
    fields,
    tree::{Content, Entry, Node},
};

/// The top level of a file.
#[derive(Default)]
pub(super) struct Top {
    /// The tasks, from all their lists.
    pub(super) tasks: Vec<Rc<Node>>,
    /// Ids of completed tasks.
    pub(super) done: BTreeSet<String>,
    /// The fields beside the tasks, as labels of the job.
    pub(super) labels: Vec<Entry>,
}

/// Reads the top level: a list of tasks, a map with such a list, or one task alone.
pub(super) fn read(root: &Rc<Node>, schema: &Schema, faults: &mut Faults, report: &mut Report) -> Top {
    let mut top = Top::default();
    let entries = match &root.content {
        Content::Map(entries) if entries.iter().any(|entry| entry.key == "tasks") => entries,
        Content::List(items) => {
            top.tasks = items.clone();
            return top;
        }
        Content::Map(_) | Content::Scalar { .. } => {
            top.tasks = vec![Rc::clone(root)];
            return top;
        }
    };
    let entries: Vec<&Entry> = entries.iter().filter(|entry| !entry.value.is_null()).collect();
    for entry in &entries {
        match entry.key.as_str() {
            "tasks" => top.tasks.extend(fields::items(&entry.value).iter().cloned()),
            "version" => check_version(entry, schema, faults),
            key if schema.made_anew.contains(&key) => {}
            _ => top.labels.extend(label(entry, schema, report)),
        }
    }
    // Only one format has these lists, of ids or of tasks that were moved there.
    let mut ids: BTreeSet<String> = top.tasks.iter().filter_map(id_of).collect();
    for (list, status) in [("completed", "completed"), ("failed", "failed")] {
        let lists = entries
            .iter()
            .filter(|entry| entry.key == list && schema.made_anew.contains(&list));
        for item in lists.flat_map(|entry| fields::items(&entry.value)) {
            top.add_ended(item, status, &mut ids, report);
        }
    }
    top
}

impl Top {
    fn add_ended(&mut self, item: &Rc<Node>, status: &str, ids: &mut BTreeSet<String>, report: &mut Report) {
        let id = match &item.content {
            Content::Scalar { text, .. } => Some(text.clone()),
            _ => id_of(item),
        };
        let is_there = id.as_ref().is_some_and(|id| !ids.insert(id.clone()));
        if let (Some(id), "completed") = (&id, status) {
            self.done.insert(id.clone());
        }
        match &item.content {
            _ if is_there => {}
            Content::Map(entries) => self.tasks.push(with_status(item, entries, status)),
            _ if status == "failed" => report.unknown.extend(id),
            _ => {}
        }
    }
}

fn id_of(task: &Rc<Node>) -> Option<String> {
    let Content::Map(entries) = &task.content else {
        return None;
    };
    let id = entries.iter().find(|entry| entry.key == "id")?;
    match &id.value.content {
        Content::Scalar { text, .. } => Some(text.clone()),
        _ => None,
    }
}

/// The task with the status of its list, unless it has one itself.
fn with_status(item: &Rc<Node>, entries: &[Entry], status: &str) -> Rc<Node> {
    if entries.iter().any(|entry| entry.key == "status") {
        return Rc::clone(item);
    }
    let mut entries = entries.to_vec();
    entries.push(Entry {
        key: "status".to_owned(),
        position: item.position,
        value: Node::text(item.position, status),
    });
    Node::map(item.position, entries)
}

fn check_version(entry: &Entry, schema: &Schema, faults: &mut Faults) {
    let Some(version) = fields::text(&entry.value, "version", faults) else {
        return;
    };
    let known = schema.versions;
    // `2` and `2.0` are one number in YAML.
    let is_known = known
        .iter()
        .any(|known| *known == version || known.strip_suffix(".0") == Some(version));
    if !known.is_empty() && !is_known {
        let message = format!(
            "`version` is {version}: of {} only {} is read",
            schema.name,
            known.join(" and ")
        );
        faults.push(entry.value.position, message);
    }
}

/// A field of the file as a label of the job, unless it has its usual value.
fn label(entry: &Entry, schema: &Schema, report: &mut Report) -> Option<Entry> {
    let is_usual = match &entry.value.content {
        Content::Scalar { text, .. } => schema
            .usual_top
            .iter()
            .any(|(key, value)| *key == entry.key && value == text),
        _ => false,
    };
    if is_usual {
        return None;
    }
    match metadata::pairs(&schema.key(&entry.key), &entry.value.to_json()).as_deref() {
        Ok([(key, text)]) => Some(Entry {
            key: key.clone(),
            position: entry.position,
            value: Node::text(entry.value.position, text.as_str()),
        }),
        _ => {
            report.dropped.push(entry.key.clone());
            None
        }
    }
}
