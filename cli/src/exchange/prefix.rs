//! Puts a prefix before the ids of a file's tasks, and before every reference to them.

use std::{collections::BTreeSet, rc::Rc};

use crate::jobfile::{
    fields,
    tree::{Content, Entry, Node},
};

/// The tree of a job file with a prefix before each of its tasks' ids.
pub(super) fn add(prefix: &str, root: &Rc<Node>) -> Rc<Node> {
    if prefix.is_empty() {
        return Rc::clone(root);
    }
    let mut ids = BTreeSet::new();
    for_field(root, "tasks", &mut |tasks| {
        for task in fields::items(tasks) {
            collect(task, &mut ids);
        }
    });
    change(root, &|key, value| match key {
        "id" | "job_id" => with_prefix(prefix, value),
        "job" => change(value, &|key, value| match key {
            "id" | "job_id" => with_prefix(prefix, value),
            _ => Rc::clone(value),
        }),
        "tasks" => {
            let tasks = fields::items(value).iter();
            Node::list(
                value.position,
                tasks.map(|task| in_task(prefix, task, &ids)).collect(),
            )
        }
        _ => Rc::clone(value),
    })
}

fn collect(task: &Node, ids: &mut BTreeSet<String>) {
    for key in ["id", "task_id"] {
        for_field(task, key, &mut |id| {
            if let Content::Scalar { text, .. } = &id.content {
                ids.insert(text.clone());
            }
        });
    }
    for_field(task, "spec", &mut |spec| collect(spec, ids));
}

fn in_task(prefix: &str, task: &Rc<Node>, ids: &BTreeSet<String>) -> Rc<Node> {
    let refer = |node: &Rc<Node>| match &node.content {
        Content::Scalar { text, .. } if ids.contains(text) => with_prefix(prefix, node),
        _ => Rc::clone(node),
    };
    change(task, &|key, value| match key {
        "id" | "task_id" => with_prefix(prefix, value),
        "spec" => in_task(prefix, value, ids),
        "depends_on" | "dependencies" => {
            let items = fields::items(value).iter().map(|item| match &item.content {
                Content::Map(_) => change(item, &|key, value| match key {
                    "task" | "task_id" => refer(value),
                    _ => Rc::clone(value),
                }),
                _ => refer(item),
            });
            Node::list(value.position, items.collect())
        }
        _ => Rc::clone(value),
    })
}

fn for_field(node: &Node, key: &str, visit: &mut impl FnMut(&Rc<Node>)) {
    if let Content::Map(entries) = &node.content {
        entries
            .iter()
            .filter(|entry| entry.key == key)
            .for_each(|entry| visit(&entry.value));
    }
}

/// A map with changed values. Other nodes stay as they are, and the job file's reader finds their fault.
fn change(node: &Rc<Node>, value_of: &dyn Fn(&str, &Rc<Node>) -> Rc<Node>) -> Rc<Node> {
    let Content::Map(entries) = &node.content else {
        return Rc::clone(node);
    };
    let entries = entries.iter().map(|entry| Entry {
        key: entry.key.clone(),
        position: entry.position,
        value: value_of(&entry.key, &entry.value),
    });
    Node::map(node.position, entries.collect())
}

fn with_prefix(prefix: &str, node: &Rc<Node>) -> Rc<Node> {
    match &node.content {
        Content::Scalar { text, .. } if !node.is_null() => {
            Node::text(node.position, format!("{prefix}{text}"))
        }
        _ => Rc::clone(node),
    }
}
