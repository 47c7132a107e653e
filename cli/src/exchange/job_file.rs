//! A task in the fields of our own job file.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use prost_types::{Duration, Timestamp};
use serde_json::{Map, Value, json};
use swarm_proto::{
    duration::{format_duration, read_duration},
    v1::{Command, DependencyCondition, NewTask, Retry, TaskSpec, task_spec::Work},
};

use crate::output::text::moment;

/// A task as a job file has it, without its default values.
pub(super) fn fields(task: &NewTask) -> Map<String, Value> {
    let mut fields = Map::new();
    let Some(spec) = &task.spec else { return fields };
    add(&mut fields, "id", task.task_id.as_str());
    add(&mut fields, "name", spec.name.as_str());
    match &spec.work {
        Some(Work::Command(command)) => add_command(&mut fields, command),
        Some(Work::Prompt(prompt)) => {
            add(&mut fields, "prompt", prompt.text.as_str());
            add(&mut fields, "model", prompt.model.as_str());
        }
        None => {}
    }
    add(&mut fields, "depends_on", dependencies(spec));
    add(&mut fields, "queue", spec.queue.as_str());
    if spec.priority != 0 {
        fields.insert("priority".to_owned(), spec.priority.into());
    }
    add(&mut fields, "labels", json!(spec.labels));
    if let Some(retry) = &spec.retry {
        add_retry(&mut fields, retry);
    }
    for (key, length) in [("timeout", &spec.timeout), ("delay", &spec.delay)] {
        add(
            &mut fields,
            key,
            length.as_ref().map_or_else(String::new, duration),
        );
    }
    for (key, point) in [("not_before", &spec.not_before), ("deadline", &spec.deadline)] {
        add(&mut fields, key, point.as_ref().map_or_else(String::new, time));
    }
    if let Some(requirements) = &spec.requirements {
        add(&mut fields, "requires", json!(requirements.labels));
    }
    add(&mut fields, "exclusive_group", spec.exclusive_group.as_str());
    add(&mut fields, "shard_key", spec.shard_key.as_str());
    add(&mut fields, "metadata", json!(spec.metadata));
    fields
}

/// Adds a field, unless it is empty.
fn add(fields: &mut Map<String, Value>, key: &str, value: impl Into<Value>) {
    let value = value.into();
    let is_empty = match &value {
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(pairs) => pairs.is_empty(),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    };
    if !is_empty {
        fields.insert(key.to_owned(), value);
    }
}

fn add_command(fields: &mut Map<String, Value>, command: &Command) {
    let run = match command.argv.as_slice() {
        [shell, flag, line] if shell == "sh" && flag == "-c" && !line.trim().is_empty() => json!(line),
        words => json!(words),
    };
    add(fields, "run", run);
    add(fields, "cwd", command.cwd.as_str());
    add(fields, "env", json!(command.env));
    match std::str::from_utf8(&command.stdin) {
        Ok(text) => add(fields, "stdin", text),
        Err(_) => add(fields, "stdin_base64", BASE64_STANDARD.encode(&command.stdin)),
    }
}

/// Dependencies as ids, or as maps where a task may end in any way.
fn dependencies(spec: &TaskSpec) -> Value {
    let one = |dependency: &swarm_proto::v1::Dependency| match dependency.condition() {
        DependencyCondition::Unspecified | DependencyCondition::Succeeded => json!(dependency.task_id),
        DependencyCondition::Finished => json!({ "task": dependency.task_id, "condition": "finished" }),
    };
    spec.depends_on.iter().map(one).collect()
}

fn add_retry(fields: &mut Map<String, Value>, retry: &Retry) {
    if let Some(retries) = retry.max_retries {
        fields.insert("retries".to_owned(), retries.into());
    }
    let mut backoff = Map::new();
    for (key, length) in [
        ("initial_backoff", &retry.initial_backoff),
        ("max_backoff", &retry.max_backoff),
    ] {
        add(
            &mut backoff,
            key,
            length.as_ref().map_or_else(String::new, duration),
        );
    }
    if !backoff.is_empty() || retry.max_retries.is_none() {
        fields.insert("retry".to_owned(), Value::Object(backoff));
    }
}

/// A time to the nanosecond, as a job file reads it.
fn duration(length: &Duration) -> String {
    let length = read_duration(length).unwrap_or_default();
    match (length.as_secs(), length.subsec_nanos()) {
        (_, 0) => format_duration(length),
        (0, nanos) => format!("{nanos}ns"),
        (seconds, nanos) => format!("{seconds}s {nanos}ns"),
    }
}

fn time(point: &Timestamp) -> String {
    moment(point).map_or_else(String::new, |moment| moment.to_string())
}
