//! YAML for files that people edit: maps and lists in blocks, short lists on one line, texts of several lines as
//! blocks.

use serde_json::{Map, Value};
use swarm_proto::terminal::steers;

/// The longest list on one line, in characters.
const MAX_LINE_CHARS: usize = 80;

/// Words that some version of YAML takes for something other than text.
const WORDS: &[&str] = &[
    "null", "true", "false", "yes", "no", "on", "off", "y", "n", "nan", "inf", "infinity",
];

/// The fields of a map, one below the other, indented.
pub(super) fn fields(fields: &Map<String, Value>, indent: usize) -> String {
    let mut out = String::new();
    for (key, value) in fields {
        out.push_str(&" ".repeat(indent));
        field(&mut out, key, value, indent);
    }
    out
}

/// A map as an item of a list, indented.
pub(super) fn item(map: &Map<String, Value>, indent: usize) -> String {
    let mut out = format!("{}-", " ".repeat(indent));
    value(&mut out, &Value::Object(map.clone()), indent, true);
    out
}

/// A text in quotes that JSON and every version of YAML read alike.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    for c in Value::from(text).to_string().chars() {
        match c {
            c if is_printable(c) => out.push(c),
            c => out.push_str(&format!("\\u{:04x}", u32::from(c))),
        }
    }
    out
}

fn field(out: &mut String, key: &str, content: &Value, indent: usize) {
    out.push_str(&single_text(key));
    out.push(':');
    value(out, content, indent, false);
}

/// A value after `key:`, or after the `-` of an item. `indent` is that of the key or dash.
fn value(out: &mut String, content: &Value, indent: usize, is_item: bool) {
    match content {
        Value::Object(map) if !map.is_empty() => {
            let inner = indent + 2;
            for (number, (key, content)) in map.iter().enumerate() {
                if is_item && number == 0 {
                    out.push(' ');
                } else {
                    line_end(out);
                    out.push_str(&" ".repeat(inner));
                }
                field(out, key, content, inner);
            }
        }
        Value::Array(items) if !items.is_empty() && !is_item => {
            let line = line(content);
            if items.iter().all(is_single) && line.chars().count() <= MAX_LINE_CHARS {
                out.push_str(&format!(" {line}\n"));
                return;
            }
            for item in items {
                line_end(out);
                out.push_str(&format!("{}-", " ".repeat(indent + 2)));
                value(out, item, indent + 2, true);
            }
        }
        Value::String(text) => match block(text, indent + 2) {
            Some(block) => out.push_str(&format!(" {block}")),
            None => out.push_str(&format!(" {}\n", single_text(text))),
        },
        content => out.push_str(&format!(" {}\n", line(content))),
    }
}

fn line_end(out: &mut String) {
    if !out.ends_with('\n') {
        out.push('\n');
    }
}

/// A value on one line.
fn line(content: &Value) -> String {
    match content {
        Value::Null | Value::Bool(_) | Value::Number(_) => content.to_string(),
        Value::String(text) => single_text(text),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(line).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(map) => {
            let fields = map
                .iter()
                .map(|(key, content)| format!("{}: {}", quoted(key), line(content)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
        }
    }
}

fn is_single(content: &Value) -> bool {
    !matches!(content, Value::Array(_) | Value::Object(_))
}

/// A text without quotes, if no reader can take it for something else.
fn single_text(text: &str) -> String {
    let is_plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '_'))
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_-./@%+ ".contains(c))
        && !text.ends_with(' ')
        && !WORDS.iter().any(|word| word.eq_ignore_ascii_case(text));
    if is_plain { text.to_owned() } else { quoted(text) }
}

/// A text of several lines as a block; `None` when a block would not keep it.
fn block(text: &str, indent: usize) -> Option<String> {
    let body = text.strip_suffix('\n').unwrap_or(text);
    let fits = body.contains('\n')
        && !body.ends_with('\n')
        && !body.starts_with(['\n', ' ', '\t'])
        && body.chars().all(|c| c == '\n' || (is_printable(c) && c != '\t'))
        && body
            .split('\n')
            .all(|line| line.is_empty() || !line.trim().is_empty());
    if !fits {
        return None;
    }
    let mut block = if body == text { "|-\n" } else { "|\n" }.to_owned();
    for line in body.split('\n') {
        if !line.is_empty() {
            block.push_str(&" ".repeat(indent));
        }
        block.push_str(line);
        block.push('\n');
    }
    Some(block)
}

/// Whether YAML reads a character within a line as it is, and no terminal obeys it.
fn is_printable(c: char) -> bool {
    !steers(c) && !matches!(c, '\u{fffe}' | '\u{ffff}')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn it_reads_as_a_person_would_write_it() {
        let value = json!({
            "id": "2.6.1.a",
            "name": "Implement user authentication",
            "hours": 2.5,
            "answer": "no",
            "files": ["src/auth.py", "7"],
            "text": "one\n  two\n\nthree\n",
            "swarm": {"labels": {"a b": ""}, "depends_on": [{"task": "x", "condition": "finished"}, "z"], "none": {}},
        });
        let Value::Object(map) = value else {
            panic!("a map")
        };
        assert_eq!(
            item(&map, 2),
            "  - id: \"2.6.1.a\"
    name: Implement user authentication
    hours: 2.5
    answer: \"no\"
    files: [src/auth.py, \"7\"]
    text: |
      one
        two

      three
    swarm:
      labels:
        a b: \"\"
      depends_on:
        - task: x
          condition: finished
        - z
      none: {}
"
        );
    }
}
