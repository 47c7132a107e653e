//! `{date}` and `{time}` in ids and names: with them, a file that is submitted every night gives each run ids of its
//! own.
//!
//! They are those of the moment of the submit in the submitter's time zone. In a command nothing is replaced: braces
//! mean too much there.

use std::rc::Rc;

use jiff::Zoned;

use super::{
    fields,
    tree::{Content, Node},
};

/// The placeholders, with their forms.
const PLACEHOLDERS: [(&str, &str); 2] = [("{date}", "%Y-%m-%d"), ("{time}", "%H%M%S")];

/// A text with the date and time in place of their signs.
pub(crate) fn filled(text: &str, now: &Zoned) -> String {
    let mut filled = text.to_owned();
    for (sign, form) in PLACEHOLDERS {
        if filled.contains(sign) {
            filled = filled.replace(sign, &now.strftime(form).to_string());
        }
    }
    filled
}

/// The tree of a job file with all ids, names and references filled in.
pub(super) fn fill(root: &Rc<Node>, now: &Zoned) -> Rc<Node> {
    root.with_values(&|key, value| match key {
        "id" | "job_id" | "name" => text(value, now),
        "job" => value.with_values(&|key, value| match key {
            "id" | "job_id" | "name" => text(value, now),
            _ => Rc::clone(value),
        }),
        "tasks" => {
            let tasks = fields::items(value).iter();
            Node::list(value.position, tasks.map(|task| in_task(task, now)).collect())
        }
        _ => Rc::clone(value),
    })
}

fn in_task(task: &Rc<Node>, now: &Zoned) -> Rc<Node> {
    task.with_values(&|key, value| match key {
        "id" | "task_id" | "name" => text(value, now),
        "spec" => in_task(value, now),
        "depends_on" | "dependencies" => {
            let items = fields::items(value).iter().map(|item| match &item.content {
                Content::Map(_) => item.with_values(&|key, value| match key {
                    "task" | "task_id" => text(value, now),
                    _ => Rc::clone(value),
                }),
                _ => text(item, now),
            });
            Node::list(value.position, items.collect())
        }
        _ => Rc::clone(value),
    })
}

fn text(node: &Rc<Node>, now: &Zoned) -> Rc<Node> {
    match &node.content {
        Content::Scalar { text, .. } if text.contains('{') => Node::text(node.position, filled(text, now)),
        _ => Rc::clone(node),
    }
}
