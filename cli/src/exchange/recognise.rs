//! Recognises a file's format by its contents, never by its name.

use std::rc::Rc;

use super::Format;
use crate::jobfile::{
    fields,
    tree::{Content, Entry, Node},
};

/// At most this many tasks are examined, the first ones.
const MAX_EXAMINED: usize = 20;

/// Fields that mark a task as one of `queue.json`.
const OF_QUEUE: &[&str] = &[
    "type",
    "status",
    "instruction",
    "task",
    "shell",
    "mode",
    "min_budget",
    "max_budget",
    "intensity",
    "parallel_safe",
    "identity_id",
    "decompose",
    "delegate",
    "max_subtasks",
];

/// Fields of Amplifier's tasks.
const OF_AMPLIFIER: &[&str] = &[
    "status",
    "phase",
    "type",
    "title",
    "description",
    "estimated_hours",
    "acceptance_criteria",
    "design_docs",
    "files",
];

/// Fields of Amplifier's tasks that AgentVine does not have, dependencies among them. Both have titles.
const OF_AMPLIFIER_ALONE: &[&str] = &[
    "phase",
    "estimated_hours",
    "acceptance_criteria",
    "design_docs",
    "dependencies",
    "depends_on",
];

/// Fields with the work of a task in our job file.
const WORK: &[&str] = &["run", "command", "prompt", "spec"];

/// The format of a file; `None` when nothing in it tells.
pub(super) fn recognise(root: &Rc<Node>) -> Option<Format> {
    let Content::Map(top) = &root.content else {
        return list(root);
    };
    let has = |keys: &[&str]| top.iter().any(|entry| keys.contains(&entry.key.as_str()));
    let Some(tasks) = top.iter().find(|entry| entry.key == "tasks") else {
        return has(&["title"]).then_some(Format::Agentvine);
    };
    let version = top
        .iter()
        .find(|entry| entry.key == "version")
        .map(|entry| &entry.value);
    let version_is = |wanted: &str| {
        version.is_some_and(
            |version| matches!(&version.content, Content::Scalar { text, .. } if text.starts_with(wanted)),
        )
    };
    if has(&["api_endpoint", "completed", "failed"]) || version_is("1") {
        return Some(Format::QueueJson);
    }
    if has(&["exported_at", "summary"]) || version_is("2") {
        return Some(Format::Amplifier);
    }
    let tasks: Vec<&[Entry]> = fields::items(&tasks.value)
        .iter()
        .take(MAX_EXAMINED)
        .filter_map(|task| match &task.content {
            Content::Map(entries) => Some(entries.as_slice()),
            _ => None,
        })
        .collect();
    let any = |keys: &[&str]| {
        let mut entries = tasks.iter().flat_map(|task| task.iter());
        entries.any(|entry| keys.contains(&entry.key.as_str()))
    };
    // Our job file takes many foreign fields too, but none of these.
    if any(&["run", "spec"]) {
        Some(Format::Jobfile)
    } else if any(&["prompt", "instruction", "task", "command", "shell"]) {
        Some(if any(OF_QUEUE) {
            Format::QueueJson
        } else {
            Format::Jobfile
        })
    } else if any(&["title"]) && !any(OF_AMPLIFIER_ALONE) {
        Some(Format::Agentvine)
    } else if any(OF_AMPLIFIER) && !any(WORK) {
        Some(Format::Amplifier)
    } else {
        Some(Format::Jobfile)
    }
}

/// The format of a list: AgentVine's, because no other format has a list at the top.
fn list(root: &Rc<Node>) -> Option<Format> {
    let Content::List(items) = &root.content else {
        return None;
    };
    let has_title = |item: &Rc<Node>| match &item.content {
        Content::Map(entries) => entries.iter().any(|entry| entry.key == "title"),
        _ => false,
    };
    items
        .iter()
        .take(MAX_EXAMINED)
        .any(has_title)
        .then_some(Format::Agentvine)
}
