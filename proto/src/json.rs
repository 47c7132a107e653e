//! Messages of the protocol as JSON, by reflection: a new field appears by itself.
//!
//! Names are snake_case as in the .proto files, times RFC 3339 in UTC, durations
//! in seconds, enum values lower case without their prefix. Fields with default
//! values are written; absent messages, absent optional fields and the state of
//! a task that is not told are left out. Bytes are text; beside bytes that are none
//! stands `NAME_base64` with all of them.

use std::sync::LazyLock;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use prost::{Message, Name};
use prost_reflect::{
    DescriptorPool, DynamicMessage, EnumDescriptor, FieldDescriptor, Kind, MapKey, MessageDescriptor,
    ReflectMessage as _, Value as Field,
};
use serde_json::{Map, Number, Value};

use crate::terminal::steers;

static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    DescriptorPool::decode(crate::FILE_DESCRIPTOR_SET).expect("the schema was compiled with this program")
});

/// The JSON form of a message of package `swarm.v1`.
pub fn of<M: Message + Name>(message: &M) -> Value {
    let message = DynamicMessage::decode(descriptor::<M>(), message.encode_to_vec().as_slice())
        .expect("an encoded message can be decoded");
    message_value(&message)
}

/// The type of a message of package `swarm.v1`, with its fields.
pub fn descriptor<M: Name>() -> MessageDescriptor {
    POOL.get_message_by_name(&M::full_name())
        .expect("the schema names every message")
}

/// Writes what steers a terminal as JSON escapes; the serializer does so with the characters below U+0020 only. Line
/// ends are those between values.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => escaped.push(c),
            // All of them have four digits at most.
            c if steers(c) => escaped.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => escaped.push(c),
        }
    }
    escaped
}

fn message_value(message: &DynamicMessage) -> Value {
    let descriptor = message.descriptor();
    match descriptor.full_name() {
        "google.protobuf.Timestamp" => return timestamp(message),
        "google.protobuf.Duration" => return duration(message),
        _ => {}
    }
    let mut object = Map::new();
    for field in descriptor.fields() {
        if field.supports_presence() && !message.has_field(&field) {
            continue;
        }
        let value = message.get_field(&field);
        if is_untold(&field.kind(), &value) {
            continue;
        }
        object.insert(field.name().to_owned(), field_value(&field, &value));
        if let Field::Bytes(bytes) = &*value
            && std::str::from_utf8(bytes).is_err()
        {
            object.insert(base64_name(field.name()), STANDARD.encode(bytes).into());
        }
    }
    Value::Object(object)
}

/// The field beside bytes that are no text.
pub fn base64_name(field: &str) -> String {
    format!("{field}_base64")
}

/// Whether a task's state is not told: it has one, and "unspecified" is none.
fn is_untold(kind: &Kind, value: &Field) -> bool {
    match (kind, value) {
        (Kind::Enum(descriptor), Field::EnumNumber(0)) => descriptor.name() == "TaskState",
        _ => false,
    }
}

fn field_value(descriptor: &FieldDescriptor, value: &Field) -> Value {
    match value {
        Field::List(items) => items
            .iter()
            .map(|item| single(&descriptor.kind(), item))
            .collect(),
        Field::Map(entries) => {
            let kind = descriptor.kind();
            let kind = kind
                .as_message()
                .map(|entry| entry.map_entry_value_field().kind());
            let mut entries: Vec<_> = entries
                .iter()
                .map(|(key, value)| (key_text(key), value))
                .collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            let value_of = |value| kind.as_ref().map_or(Value::Null, |kind| single(kind, value));
            Value::Object(
                entries
                    .into_iter()
                    .map(|(key, value)| (key, value_of(value)))
                    .collect(),
            )
        }
        value => single(&descriptor.kind(), value),
    }
}

fn single(kind: &Kind, value: &Field) -> Value {
    match value {
        Field::Bool(value) => Value::Bool(*value),
        Field::I32(value) => (*value).into(),
        Field::I64(value) => (*value).into(),
        Field::U32(value) => (*value).into(),
        Field::U64(value) => (*value).into(),
        Field::F32(value) => float(f64::from(*value)),
        Field::F64(value) => float(*value),
        Field::String(value) => Value::String(value.clone()),
        Field::Bytes(value) => Value::String(String::from_utf8_lossy(value).into_owned()),
        Field::EnumNumber(number) => match kind {
            Kind::Enum(descriptor) => Value::String(enum_word(descriptor, *number)),
            _ => (*number).into(),
        },
        Field::Message(message) => message_value(message),
        // No list or map is inside another one.
        Field::List(_) | Field::Map(_) => Value::Null,
    }
}

/// `TASK_STATE_QUEUED` is `queued`.
fn enum_word(descriptor: &EnumDescriptor, number: i32) -> String {
    let Some(value) = descriptor.get_value(number) else {
        return format!("unknown_{number}");
    };
    let mut prefix = String::new();
    for c in descriptor.name().chars() {
        if c.is_ascii_uppercase() && !prefix.is_empty() {
            prefix.push('_');
        }
        prefix.push(c.to_ascii_uppercase());
    }
    prefix.push('_');
    let name = value.name();
    name.strip_prefix(&prefix).unwrap_or(name).to_ascii_lowercase()
}

fn timestamp(message: &DynamicMessage) -> Value {
    let (seconds, nanos) = seconds_and_nanos(message);
    match jiff::Timestamp::new(seconds, nanos) {
        Ok(time) => Value::String(time.to_string()),
        Err(_) => Value::Null,
    }
}

fn duration(message: &DynamicMessage) -> Value {
    let (seconds, nanos) = seconds_and_nanos(message);
    if nanos == 0 {
        seconds.into()
    } else {
        float(seconds as f64 + f64::from(nanos) / 1e9)
    }
}

fn seconds_and_nanos(message: &DynamicMessage) -> (i64, i32) {
    let seconds = message
        .get_field_by_name("seconds")
        .and_then(|value| value.as_i64());
    let nanos = message
        .get_field_by_name("nanos")
        .and_then(|value| value.as_i32());
    (seconds.unwrap_or(0), nanos.unwrap_or(0))
}

fn key_text(key: &MapKey) -> String {
    match key {
        MapKey::Bool(key) => key.to_string(),
        MapKey::I32(key) => key.to_string(),
        MapKey::I64(key) => key.to_string(),
        MapKey::U32(key) => key.to_string(),
        MapKey::U64(key) => key.to_string(),
        MapKey::String(key) => key.clone(),
    }
}

fn float(value: f64) -> Value {
    Number::from_f64(value).map_or(Value::Null, Value::Number)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::v1::{self, task_spec::Work};
    use prost_types::{Duration, Timestamp};
    use serde_json::json;

    #[test]
    fn what_steers_a_terminal_is_written_as_an_escape_of_the_same_value() {
        let text = "a\nb\u{1b}\u{7f}\u{9b}\u{202e}\u{feff}é ✔";
        let line = format!("{}\n", json!({ "message": text }));
        let escaped = escape(&line);
        assert!(
            escaped.trim_end().chars().all(|c| !steers(c)) && escaped.ends_with("}\n"),
            "{escaped}"
        );
        let value: Value = serde_json::from_str(&escaped).unwrap();
        assert_eq!(value["message"], text);
    }

    #[test]
    fn a_message_is_written_field_by_field() {
        let spec = v1::TaskSpec {
            work: Some(Work::Command(v1::Command {
                argv: vec!["echo".into(), "hi".into()],
                stdin: vec![b'a', 0xff],
                ..Default::default()
            })),
            priority: -50,
            labels: BTreeMap::from([("b".into(), "2".into()), ("a".into(), "1".into())]),
            retry: Some(v1::Retry {
                max_retries: Some(0),
                ..Default::default()
            }),
            timeout: Some(Duration {
                seconds: 90,
                nanos: 0,
            }),
            delay: Some(Duration {
                seconds: 1,
                nanos: 500_000_000,
            }),
            not_before: Some(Timestamp {
                seconds: 1_700_000_000,
                nanos: 0,
            }),
            depends_on: vec![v1::Dependency {
                task_id: "x".into(),
                condition: 2,
            }],
            ..Default::default()
        };
        assert_eq!(
            of(&spec),
            json!({
                "command": {"argv": ["echo", "hi"], "cwd": "", "stdin": "a\u{fffd}", "stdin_base64": "Yf8=", "env": {}},
                "name": "", "queue": "", "priority": -50,
                "depends_on": [{"task_id": "x", "condition": "finished"}],
                "labels": {"a": "1", "b": "2"},
                "retry": {"max_retries": 0},
                "timeout": 90, "not_before": "2023-11-14T22:13:20Z", "delay": 1.5, "metadata": {},
                "exclusive_group": "", "shard_key": "",
            })
        );
    }

    #[test]
    fn states_lose_their_prefix_and_unknown_ones_are_kept() {
        let state = |state| {
            let task = v1::SubmittedTask {
                state,
                ..Default::default()
            };
            of(&task)["state"].clone()
        };
        assert_eq!(
            (state(3), state(0), state(77)),
            (json!("queued"), Value::Null, json!("unknown_77"))
        );
    }

    #[test]
    fn control_characters_are_escaped() {
        let line = escape(&json!({"a": "\u{9b}31m\u{1b}\u{7f}"}).to_string());
        assert_eq!(line, r#"{"a":"\u009b31m\u001b\u007f"}"#);
    }
}
