//! Which format a file has, by what is in it; its name says nothing.

use std::rc::Rc;

use super::Format;
use crate::jobfile::{
    fields,
    tree::{Content, Entry, Node},
};

/// Tasks that are looked at: the first ones tell.
const MAX_LOOKED_AT: usize = 20;

/// Fields that only tasks of `queue.json` have.
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

/// Of these, and for dependencies, fields that AgentVine has not got: people write titles in both.
const OF_AMPLIFIER_ALONE: &[&str] = &[
    "phase",
    "estimated_hours",
    "acceptance_criteria",
    "design_docs",
    "dependencies",
    "depends_on",
];

/// Fields that say what a task of our job file runs.
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
        .take(MAX_LOOKED_AT)
        .filter_map(|task| match &task.content {
            Content::Map(entries) => Some(entries.as_slice()),
            _ => None,
        })
        .collect();
    let any = |keys: &[&str]| {
        let mut entries = tasks.iter().flat_map(|task| task.iter());
        entries.any(|entry| keys.contains(&entry.key.as_str()))
    };
    // Our own job file takes many of the foreign fields too, but none of these.
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

/// A list is one of AgentVine's tasks: nobody else has one at the top.
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
        .take(MAX_LOOKED_AT)
        .any(has_title)
        .then_some(Format::Agentvine)
}
