//! The reference as a JSON schema, by which editors complete and check a job file: `swarmctl submit --schema`.

use serde_json::{Map, Value, json};

use super::{DEPENDENCY, DESCRIPTIVE, FILE, Field, Form, OWN, SHARED, Section};

/// The schema of a whole file.
pub(crate) fn schema() -> Value {
    let task = [&OWN, &SHARED, &DESCRIPTIVE];
    let mut schema = object(&[&FILE]);
    let head = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Swarm job file",
        "required": ["tasks"],
        "$defs": {
            "task": object(&task),
            "scalar": { "type": ["string", "number", "boolean"] },
        },
    });
    if let (Value::Object(schema), Value::Object(head)) = (&mut schema, head) {
        schema.extend(head);
    }
    schema
}

/// A map that has these fields and no other ones.
fn object(sections: &[&Section]) -> Value {
    let mut properties = Map::new();
    for field in sections.iter().flat_map(|section| section.fields) {
        for name in [&[field.name], field.also].concat() {
            properties.insert(name.to_owned(), property(field));
        }
    }
    json!({
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    })
}

fn property(field: &Field) -> Value {
    let mut property = value(&field.form);
    if let Value::Object(property) = &mut property {
        let default = match field.default {
            "" => String::new(),
            default => format!(" [default: {default}]"),
        };
        property.insert(
            "description".to_owned(),
            format!("{}{default}", field.meaning).into(),
        );
    }
    property
}

fn value(form: &Form) -> Value {
    match form {
        Form::Text
        | Form::Id
        | Form::Directory
        | Form::Base64
        | Form::Priority
        | Form::Duration
        | Form::Time
        | Form::Deadline
        | Form::Numbers => scalar(),
        Form::Number(range) => json!({ "type": "integer", "minimum": range.start(), "maximum": range.end() }),
        // The words of YAML 1.1 are texts in YAML 1.2.
        Form::Switch => json!({ "enum": [true, false, "yes", "no"] }),
        Form::Pairs => json!({ "type": "object", "additionalProperties": scalar() }),
        Form::Values => json!({ "type": "object" }),
        Form::Anything => json!({}),
        Form::Command | Form::Words | Form::Lines => any_of([scalar(), list(scalar())]),
        Form::References => {
            let one = || any_of([scalar(), object(&[&DEPENDENCY])]);
            any_of([one(), list(one())])
        }
        Form::Terms => any_of([
            scalar(),
            list(scalar()),
            json!({ "type": "object", "additionalProperties": any_of([scalar(), json!({ "type": "null" })]) }),
        ]),
        Form::Tasks => any_of([list(task()), task()]),
        Form::Map(section) => object(&[section]),
        // The fields of `spec` are those of a task again.
        Form::MapOf(sections) if sections.iter().any(|section| std::ptr::eq(*section, &OWN)) => task(),
        Form::MapOf(sections) => object(sections),
        Form::TextOr(section) => any_of([scalar(), object(&[section])]),
        Form::CommandOr(section) => any_of([scalar(), list(scalar()), object(&[section])]),
    }
}

fn task() -> Value {
    json!({ "$ref": "#/$defs/task" })
}

fn scalar() -> Value {
    json!({ "$ref": "#/$defs/scalar" })
}

fn list(items: Value) -> Value {
    json!({ "type": "array", "items": items })
}

fn any_of<const N: usize>(forms: [Value; N]) -> Value {
    json!({ "anyOf": forms.to_vec() })
}
