//! The fields of `--fields`: paths in the JSON, in the order of printing.

use prost_reflect::{Kind, MessageDescriptor};
use serde_json::{Map, Value};
use swarm_program::{exit::Exit, failure::Failure, words::nearest};
use swarm_proto::json;

use super::page::Page;

/// How deep messages within messages are searched; the deepest field of a task has depth four.
const MAX_DEPTH: usize = 6;

/// Chosen fields; none means all.
#[derive(Clone, Debug, Default)]
pub struct Fields(Vec<String>);

impl Fields {
    /// The fields as they were typed.
    pub fn new(typed: &[String]) -> Fields {
        let fields = typed.iter().map(|field| field.trim().to_owned());
        Fields(fields.filter(|field| !field.is_empty()).collect())
    }

    /// Whether everything is to be printed.
    pub fn is_everything(&self) -> bool {
        self.0.is_empty()
    }

    /// The fields' names as they were typed.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Checks that each field exists. `others` are names besides paths, such as columns.
    ///
    /// # Errors
    ///
    /// When a field does not exist, with the field that was probably meant.
    pub fn check(&self, paths: &Paths, others: &[String]) -> Result<(), Failure> {
        if self.is_everything() {
            return Ok(());
        }
        let unknown = |field: &&String| !paths.has(field) && !others.contains(field);
        match self.0.iter().find(unknown) {
            Some(field) => Err(unknown_field(field, paths, others)),
            None => Ok(()),
        }
    }

    /// The chosen part of a value; absent fields are null.
    pub fn of(&self, value: &Value) -> Value {
        if self.is_everything() {
            return value.clone();
        }
        let mut chosen = Value::Object(Map::new());
        for field in &self.0 {
            pick(value, field, &mut chosen);
        }
        chosen
    }

    /// The chosen part of a value for people, a line for each.
    pub fn page(&self, value: &Value) -> String {
        let mut page = Page::default();
        for field in &self.0 {
            page.add(field, cell(value, field));
        }
        page.to_string()
    }
}

/// The field paths that a value may have.
pub struct Paths {
    names: Vec<String>,
    /// Maps, below which every key may exist.
    open: Vec<String>,
}

impl Paths {
    /// The paths of a type of message.
    pub fn of_message(message: &MessageDescriptor) -> Paths {
        let mut paths = Paths {
            names: Vec::new(),
            open: Vec::new(),
        };
        paths.add(message, "", &mut Vec::new());
        paths
    }

    /// These names, and the paths of these messages.
    pub fn of_names(names: &[&str], messages: impl Iterator<Item = MessageDescriptor>) -> Paths {
        let mut paths = Paths {
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            open: Vec::new(),
        };
        for message in messages {
            paths.add(&message, "", &mut Vec::new());
        }
        paths
    }

    /// The paths of a value.
    pub fn of_value(value: &Value) -> Paths {
        let mut paths = Paths {
            names: Vec::new(),
            open: Vec::new(),
        };
        paths.add_value(value, "", 0);
        paths
    }

    fn add_value(&mut self, value: &Value, prefix: &str, depth: usize) {
        match value {
            Value::Array(items) => {
                if let Some(first) = items.first() {
                    self.add_value(first, prefix, depth);
                }
            }
            Value::Object(fields) if depth < MAX_DEPTH => {
                for (name, below) in fields {
                    self.names.push(format!("{prefix}{name}"));
                    self.add_value(below, &format!("{prefix}{name}."), depth + 1);
                }
            }
            _ => {}
        }
    }

    fn add(&mut self, message: &MessageDescriptor, prefix: &str, above: &mut Vec<String>) {
        if above.len() == MAX_DEPTH || above.iter().any(|name| name == message.full_name()) {
            return;
        }
        above.push(message.full_name().to_owned());
        for field in message.fields() {
            let path = format!("{prefix}{}", field.name());
            match field.kind() {
                _ if field.is_map() => self.open.push(format!("{path}.")),
                // Times and durations are single values.
                Kind::Message(below) if !below.full_name().starts_with("google.protobuf.") => {
                    self.add(&below, &format!("{path}."), above);
                }
                Kind::Bytes => self.names.push(json::base64_name(&path)),
                _ => {}
            }
            self.names.push(path);
        }
        above.pop();
    }

    /// The paths outside of a field.
    #[must_use]
    pub fn without(mut self, absent: &str) -> Paths {
        self.names.retain(|name| !is_within(name, absent));
        self.open.retain(|map| !is_within(map, absent));
        self
    }

    /// Whether there may be such a field.
    pub fn has(&self, field: &str) -> bool {
        self.names.iter().any(|name| name == field)
            || self
                .open
                .iter()
                .any(|map| field.len() > map.len() && field.starts_with(map.as_str()))
    }
}

fn unknown_field(field: &str, paths: &Paths, others: &[String]) -> Failure {
    let failure = Failure::new(Exit::Usage, format!("there is no field '{field}'"));
    let names = || others.iter().chain(&paths.names).map(String::as_str);
    // The last part of a path is what people remember.
    let by_end = names().filter(|name| name.rsplit('.').next() == Some(field));
    let meant = by_end
        .min_by_key(|name| name.len())
        .or_else(|| nearest::nearest(field, names()))
        .or_else(|| names().find(|name| nearest::nearest(field, name.rsplit('.').next()).is_some()));
    if let Some(meant) = meant {
        return failure.help(format!("did you mean '{meant}'?"));
    }
    let top: Vec<&str> = match others {
        [] => names().filter(|name| !name.contains('.')).collect(),
        columns => columns.iter().map(String::as_str).collect(),
    };
    failure.help(format!("there are: {}", top.join(", ")))
}

/// Whether a path is that of a field, or below it.
pub fn is_within(path: &str, field: &str) -> bool {
    let below = path.strip_prefix(field);
    below.is_some_and(|below| below.is_empty() || below.starts_with('.'))
}

/// The values at a path as text for a cell.
pub fn cell(value: &Value, path: &str) -> String {
    match at(value, path) {
        Value::Null => String::new(),
        Value::String(text) => text,
        Value::Array(items) => {
            let items = items.iter().map(|item| match item {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            });
            items.collect::<Vec<String>>().join(",")
        }
        Value::Object(fields) if fields.is_empty() => String::new(),
        Value::Object(fields) if fields.values().all(Value::is_string) => {
            let pairs = fields
                .iter()
                .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()));
            pairs.collect::<Vec<String>>().join(" ")
        }
        other => other.to_string(),
    }
}

/// The value at a path. Where the path meets a list, it goes on in each element.
pub fn at(value: &Value, path: &str) -> Value {
    match value {
        _ if path.is_empty() => value.clone(),
        Value::Array(items) => items.iter().map(|item| at(item, path)).collect(),
        Value::Object(fields) => {
            // A map's key may contain dots.
            if let Some(whole) = fields.get(path) {
                return whole.clone();
            }
            let (key, rest) = path.split_once('.').unwrap_or((path, ""));
            fields.get(key).map_or(Value::Null, |below| at(below, rest))
        }
        _ => Value::Null,
    }
}

/// Copies the value at a path into another value.
fn pick(value: &Value, path: &str, into: &mut Value) {
    if path.is_empty() {
        *into = value.clone();
        return;
    }
    if let Value::Array(items) = value {
        if !into.is_array() {
            *into = Value::Array(vec![Value::Object(Map::new()); items.len()]);
        }
        let places = into.as_array_mut().into_iter().flatten();
        for (item, place) in items.iter().zip(places) {
            pick(item, path, place);
        }
        return;
    }
    let is_whole_key = value.get(path).is_some();
    let (key, rest) = match path.split_once('.') {
        Some(parts) if !is_whole_key => parts,
        _ => (path, ""),
    };
    if !into.is_object() {
        *into = Value::Object(Map::new());
    }
    let Some(fields) = into.as_object_mut() else {
        return;
    };
    let place = fields.entry(key).or_insert(Value::Null);
    match value.get(key) {
        Some(below) => pick(below, rest, place),
        None => *place = Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields(typed: &[&str]) -> Fields {
        Fields::new(&typed.iter().map(|field| (*field).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn chosen_fields_keep_their_places_in_the_order_of_choice() {
        let task = json!({
            "task_id": "a", "state": "queued",
            "spec": {"queue": "q", "priority": 0, "labels": {"k8s.io/zone": "eu"}},
            "attempts": [{"attempt": 1, "agent_id": "x"}, {"attempt": 2, "agent_id": "y"}],
        });
        let chosen = fields(&["state", "spec.queue", "task_id", "attempts.agent_id", "end_time"]).of(&task);
        assert_eq!(
            chosen.to_string(),
            concat!(
                r#"{"state":"queued","spec":{"queue":"q"},"task_id":"a","#,
                r#""attempts":[{"agent_id":"x"},{"agent_id":"y"}],"end_time":null}"#
            )
        );
        assert_eq!(
            fields(&["spec.labels.k8s.io/zone", "spec.priority"]).of(&task),
            json!({"spec": {"labels": {"k8s.io/zone": "eu"}, "priority": 0}})
        );
        assert_eq!(fields(&[]).of(&task), task);
        for (path, expected) in [
            ("spec.labels.k8s.io/zone", "eu"),
            ("attempts.agent_id", "x,y"),
            ("spec.labels", "k8s.io/zone=eu"),
            ("spec.nothing", ""),
            ("spec.priority", "0"),
        ] {
            assert_eq!(cell(&task, path), expected, "{path}");
        }
    }

    #[test]
    fn a_field_that_cannot_be_there_is_told_with_what_was_meant() {
        let paths = Paths::of_message(&swarm_proto::json::descriptor::<swarm_proto::v1::Task>());
        let check = |field: &str| fields(&[field]).check(&paths, &[]);
        for known in [
            "task_id",
            "end_time",
            "spec",
            "spec.command.argv",
            "spec.labels.any.thing",
            "attempts.exit_code",
        ] {
            assert!(check(known).is_ok(), "{known}");
        }
        for (unknown, meant) in [
            ("queue", "did you mean 'spec.queue'?"),
            ("task_ids", "did you mean 'task_id'?"),
            ("spec.quue", "did you mean 'spec.queue'?"),
            ("priorty", "did you mean 'spec.priority'?"),
            ("end_time.seconds", ""),
            ("spec.labels.", ""),
        ] {
            let failure = check(unknown).unwrap_err();
            assert_eq!(failure.sentence, format!("there is no field '{unknown}'"));
            assert!(failure.help[0].contains(meant), "{:?}", failure.help);
        }
        assert!(check("zzzzzzzz").unwrap_err().help[0].starts_with("there are: task_id, "));
    }
}
