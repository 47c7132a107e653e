//! JSON values as YAML: the same keys, words and numbers.

use saphyr::{Mapping, Scalar, ScalarStyle, Yaml, YamlEmitter};
use serde_json::Value;
use swarm_proto::terminal::steers;

/// A value as YAML, with a line end.
pub fn text(value: &Value) -> String {
    let mut text = String::new();
    YamlEmitter::new(&mut text)
        .dump(&node(value))
        .expect("a string takes everything");
    let text = text.strip_prefix("---\n").unwrap_or(&text);
    format!("{}\n", text.trim_end_matches('\n'))
}

fn node(value: &Value) -> Yaml<'static> {
    match value {
        Value::Null => plain("null"),
        Value::Bool(value) => Yaml::Value(Scalar::Boolean(*value)),
        // As in JSON: YAML reads the same numbers, however large.
        Value::Number(number) => plain(&number.to_string()),
        Value::String(text) => string(text),
        Value::Array(items) => Yaml::Sequence(items.iter().map(node).collect()),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(key, value)| (string(key), node(value)));
            Yaml::Mapping(fields.collect::<Mapping<'_>>())
        }
    }
}

fn plain(text: &str) -> Yaml<'static> {
    Yaml::Representation(text.to_owned().into(), ScalarStyle::Plain, None)
}

fn string(text: &str) -> Yaml<'static> {
    // The emitter escapes the characters below U+0020 only.
    if text.chars().any(|c| c >= '\u{7f}' && steers(c)) {
        let quoted = swarm_proto::json::escape(&Value::from(text).to_string());
        let inside = quoted[1..quoted.len() - 1].to_owned();
        return Yaml::Representation(inside.into(), ScalarStyle::DoubleQuoted, None);
    }
    Yaml::Value(Scalar::String(text.to_owned().into()))
}

#[cfg(test)]
mod tests {
    use saphyr::LoadableYamlNode as _;
    use serde_json::json;

    use super::*;

    fn back(node: &Yaml<'_>) -> Value {
        match node {
            Yaml::Value(Scalar::Null) => Value::Null,
            Yaml::Value(Scalar::Boolean(value)) => Value::Bool(*value),
            Yaml::Value(Scalar::Integer(value)) => (*value).into(),
            Yaml::Value(Scalar::FloatingPoint(value)) => value.0.into(),
            Yaml::Value(Scalar::String(text)) => text.to_string().into(),
            Yaml::Sequence(items) => items.iter().map(back).collect(),
            Yaml::Mapping(fields) => fields
                .iter()
                .map(|(key, value)| (back(key).as_str().unwrap().to_owned(), back(value)))
                .collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_written_reads_back_the_same() {
        let texts = [
            "",
            " ",
            "plain",
            "two words",
            "yes",
            "no",
            "null",
            "~",
            "12",
            "-1.5",
            "0x1f",
            "1e3",
            "- a",
            "a: b",
            "a #b",
            "#b",
            "{a}",
            "[a]",
            "*a",
            "&a",
            "!a",
            "|",
            ">",
            "%a",
            "@a",
            "`a",
            "\"",
            "'",
            "\\",
            "a\nb\n",
            "\n",
            "\t",
            " a ",
            "\u{1b}[31m",
            "\u{9b}2J",
            "\u{7f}",
            "naïve ✔",
            "\u{feff}",
            "---",
            "...",
            "? a",
            "=",
            "<<",
            "2026-01-02T03:04:05Z",
            "on",
            ".inf",
            "a\r\nb",
            "\u{2028}",
            "\u{85}",
            ",",
            "a, b",
            "key:",
        ];
        let value = json!({
            "texts": texts.to_vec(), "number": 1.5, "large": i64::MAX, "none": null, "flag": true,
            "empty": {}, "list": [],
            "nested": [{"a": [{"b": "c"}, []]}, [[1, 2], [3]]], "odd key: #": {"": 1, "1": 2, "true": 3},
        });
        let text = text(&value);
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
        let read = Yaml::load_from_str(&text).unwrap();
        assert_eq!((read.len(), back(&read[0])), (1, value), "{text}");
    }

    #[test]
    fn it_looks_as_people_write_it() {
        let task = json!({
            "task_id": "a",
            "labels": {"os": "linux"},
            "attempts": [{"attempt": 1}, {"attempt": 2}],
            "end_time": null,
        });
        assert_eq!(
            text(&task),
            "task_id: a\nlabels:\n  os: linux\nattempts:\n  - attempt: 1\n  - attempt: 2\nend_time: null\n"
        );
        assert_eq!(text(&json!(u64::MAX)), format!("{}\n", u64::MAX));
    }
}
