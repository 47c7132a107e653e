//! Assembles a job file from a foreign file's tasks. Done tasks are left out, and dependencies on them are met.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use serde_json::Value;

use super::{
    Options,
    incoming::{Dependency, Incoming},
    metadata,
    report::Report,
    schema::{MET, Schema},
    status::Status,
};
use crate::jobfile::{
    fault::{Faults, Position},
    tree::{Entry, Node},
};

/// The nodes of the tasks to submit; none when every task is done.
pub(super) fn assemble(
    mut tasks: Vec<Incoming>,
    done_elsewhere: &BTreeSet<String>,
    schema: &Schema,
    options: &Options,
    faults: &mut Faults,
    report: &mut Report,
) -> Vec<Rc<Node>> {
    for task in &mut tasks {
        if done_elsewhere.contains(&task.id) {
            task.status = Status::Done;
        }
        if let Some(status) = options.statuses.get(&task.id) {
            task.status = *status;
        }
    }
    report.leaning = leaning(&tasks, done_elsewhere);
    if options.all {
        tasks.iter_mut().for_each(|task| task.status = Status::Open);
    }
    let done = done_elsewhere.iter().map(|id| (id.clone(), Status::Done));
    let mut known: BTreeMap<String, Status> = done.collect();
    known.extend(tasks.iter().map(|task| (task.id.clone(), task.status)));

    let mut nodes = Vec::new();
    for task in tasks {
        match task.status {
            Status::Done => report.done.push(task.id),
            Status::Cancelled => report.cancelled.push(task.id),
            Status::Open | Status::Begun => {
                if task.status == Status::Begun {
                    report.begun.push(task.id.clone());
                }
                nodes.push(node(task, &known, schema, options, faults, report));
            }
        }
    }
    nodes
}

/// The tasks that depend on tasks which are done or cancelled.
fn leaning(tasks: &[Incoming], done_elsewhere: &BTreeSet<String>) -> BTreeSet<String> {
    let is_over = |task: &&Incoming| matches!(task.status, Status::Done | Status::Cancelled);
    let over = tasks.iter().filter(is_over).map(|task| &task.id);
    let over: BTreeSet<&String> = over.chain(done_elsewhere).collect();
    let leans = |task: &&Incoming| {
        let mut dependencies = task.depends_on.iter().flat_map(|(_, list)| list);
        dependencies.any(|dependency| over.contains(&dependency.task_id))
    };
    tasks.iter().filter(leans).map(|task| task.id.clone()).collect()
}

fn node(
    task: Incoming,
    known: &BTreeMap<String, Status>,
    schema: &Schema,
    options: &Options,
    faults: &mut Faults,
    report: &mut Report,
) -> Rc<Node> {
    let Incoming {
        position,
        id,
        mut fields,
        mut metadata,
        depends_on,
        met: told,
        ..
    } = task;
    report.prompts += usize::from(fields.iter().any(|field| field.key == "prompt"));
    let mut met = Vec::new();
    let met_before = options.met_before.get(&id);
    if let Some((place, dependencies)) = depends_on {
        let mut open = Vec::new();
        for dependency in dependencies {
            let status = known.get(&dependency.task_id);
            let was_met = met_before.is_some_and(|met| met.contains(&dependency.task_id));
            let is_told =
                was_met || (told.contains(&dependency.task_id) && !(options.all && status.is_some()));
            match status {
                _ if is_told => met.push(dependency.task_id),
                // The coordinator has the task too, and knows whether it is done.
                Some(Status::Done) if options.known.contains(&dependency.task_id) => {
                    open.push(dependency.node)
                }
                Some(Status::Done) => {
                    report.met_ids.insert(dependency.task_id.clone());
                    met.push(dependency.task_id);
                }
                Some(Status::Cancelled) if dependency.is_any_end => met.push(dependency.task_id),
                Some(Status::Cancelled) => refuse(&id, &dependency, faults),
                Some(Status::Open | Status::Begun) | None => open.push(dependency.node),
            }
        }
        if !open.is_empty() {
            fields.push(entry("depends_on", place, Node::list(place, open)));
        }
    }
    if !met.is_empty() {
        report.met += met.len();
        let met = met.into_iter().map(|id| match known.contains_key(&id) {
            true => format!("{}{id}", options.prefix),
            false => id,
        });
        let list: Value = met.collect();
        // The key is short enough.
        for (key, text) in metadata::pairs(&schema.key(MET), &list).unwrap_or_default() {
            metadata.push(entry(&key, position, Node::text(position, text)));
        }
    }
    if !metadata.is_empty() {
        fields.push(entry("metadata", position, Node::map(position, metadata)));
    }
    Node::map(position, fields)
}

fn refuse(id: &str, dependency: &Dependency, faults: &mut Faults) {
    let other = &dependency.task_id;
    faults.push_with_help(
        dependency.node.position,
        format!("'{id}' depends on '{other}', which was cancelled"),
        Some("--all submits what was cancelled too; or take the dependency away".to_owned()),
    );
}

/// A field at the place of another one.
pub(super) fn entry(key: &str, position: Position, value: Rc<Node>) -> Entry {
    Entry {
        key: key.to_owned(),
        position,
        value,
    }
}
