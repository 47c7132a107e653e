//! Files of every format, read and written: the systems' own examples, and random tasks.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use swarm_proto::v1::{self, Dependency, NewTask, Task, TaskSpec, TaskState, task_spec::Work};

use super::{Format, Options, document::Document, read};

mod examples;
mod round_trip;
mod statuses;

const NOW: &str = "2026-03-01T10:00:00Z";

/// The request of an import, and its notes.
#[track_caller]
fn import_with(text: &str, options: &Options) -> (Format, Vec<NewTask>, Vec<String>) {
    match read(text, "file", options, NOW.parse().unwrap()) {
        Ok(import) => {
            let tasks = import.file.map(|file| file.request.tasks);
            (import.format, tasks.unwrap_or_default(), import.notes)
        }
        Err(faults) => panic!("{faults}\nexternal: {:?}\n{text}", faults.external),
    }
}

#[track_caller]
fn import(text: &str) -> (Format, Vec<NewTask>, Vec<String>) {
    import_with(text, &Options::default())
}

/// The faults of a file, one a line.
#[track_caller]
fn faults(text: &str) -> String {
    match read(text, "file", &Options::default(), NOW.parse().unwrap()) {
        Ok(_) => panic!("no fault was found"),
        Err(faults) => faults.to_string(),
    }
}

fn export(format: Format, tasks: &[Task]) -> String {
    let mut out = Vec::new();
    let mut document = Document::begin(&mut out, format, None, NOW.parse().unwrap()).unwrap();
    for task in tasks {
        document.task(task).unwrap();
    }
    document.end().unwrap();
    String::from_utf8(out).unwrap()
}

/// A task as a coordinator answers it.
fn task(new: &NewTask, state: TaskState) -> Task {
    Task {
        task_id: new.task_id.clone(),
        spec: new.spec.clone(),
        state: state.into(),
        ..Task::default()
    }
}

fn queued(new: &[NewTask]) -> Vec<Task> {
    new.iter().map(|new| task(new, TaskState::Queued)).collect()
}

fn spec(new: &NewTask) -> &TaskSpec {
    new.spec.as_ref().unwrap()
}

fn prompt(new: &NewTask) -> (&str, &str) {
    match &spec(new).work {
        Some(Work::Prompt(prompt)) => (&prompt.text, &prompt.model),
        work => panic!("no prompt: {work:?}"),
    }
}

fn pairs<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    pairs
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
}

fn ids(tasks: &[NewTask]) -> Vec<&str> {
    tasks.iter().map(|task| task.task_id.as_str()).collect()
}

fn dependencies(new: &NewTask) -> Vec<&str> {
    let list = spec(new).depends_on.iter();
    list.map(|dependency| dependency.task_id.as_str()).collect()
}

/// The JSON of an export.
fn written(format: Format, tasks: &[Task]) -> Value {
    serde_json::from_str(&export(format, tasks)).unwrap()
}
