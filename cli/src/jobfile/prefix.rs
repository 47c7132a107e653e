//! Puts a prefix before the ids of a file's tasks, and before every reference to them.

use std::{collections::BTreeSet, rc::Rc};

use super::{
    fields,
    tree::{Content, Entry, Node},
};

/// The tree of a job file with a prefix before each of its tasks' ids.
pub(crate) fn add(prefix: &str, root: &Rc<Node>) -> Rc<Node> {
    if prefix.is_empty() {
        return Rc::clone(root);
    }
    let mut ids = BTreeSet::new();
    for_field(root, "tasks", &mut |tasks| {
        for task in fields::items(tasks) {
            collect(task, &mut ids);
        }
    });
    root.with_values(&|key, value| match key {
        "id" | "job_id" => with_prefix(prefix, value),
        "job" => value.with_values(&|key, value| match key {
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

/// The tree of a job file in which each task and the job have a name, which is their written id where they have none:
/// what refers to a task by its id finds it also when a prefix stands before the id.
pub(crate) fn name_by_ids(root: &Rc<Node>) -> Rc<Node> {
    let root = named_by_id(root);
    root.with_values(&|key, value| match key {
        "job" => named_by_id(value),
        "tasks" => {
            let tasks = fields::items(value).iter();
            Node::list(value.position, tasks.map(named_by_id).collect())
        }
        _ => Rc::clone(value),
    })
}

fn named_by_id(node: &Rc<Node>) -> Rc<Node> {
    let (mut id, mut has_name) = (None, false);
    for key in ["id", "task_id", "job_id"] {
        for_field(node, key, &mut |value| id = Some(Rc::clone(value)));
    }
    for_field(node, "name", &mut |name| has_name |= !name.is_null());
    for_field(node, "spec", &mut |spec| {
        for_field(spec, "name", &mut |name| has_name |= !name.is_null());
    });
    match (&node.content, id) {
        (Content::Map(entries), Some(id)) if !has_name && !id.is_null() => {
            let mut entries = entries.clone();
            entries.retain(|entry| entry.key != "name");
            entries.push(Entry {
                key: "name".to_owned(),
                position: id.position,
                value: id,
            });
            Node::map(node.position, entries)
        }
        _ => Rc::clone(node),
    }
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
    task.with_values(&|key, value| match key {
        "id" | "task_id" => with_prefix(prefix, value),
        "spec" => in_task(prefix, value, ids),
        "depends_on" | "dependencies" => {
            let items = fields::items(value).iter().map(|item| match &item.content {
                Content::Map(_) => item.with_values(&|key, value| match key {
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

fn with_prefix(prefix: &str, node: &Rc<Node>) -> Rc<Node> {
    match &node.content {
        Content::Scalar { text, .. } if !node.is_null() => {
            Node::text(node.position, format!("{prefix}{text}"))
        }
        _ => Rc::clone(node),
    }
}
