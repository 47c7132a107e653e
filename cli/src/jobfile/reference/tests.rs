//! The table against the parser, and everything that is written out of the table.

use serde_json::Value;
use swarm_proto::v1::SubmitTasksRequest;

use super::*;
use crate::jobfile::{fault::Faults, parse, tree};

fn read(text: &str) -> Result<SubmitTasksRequest, Faults> {
    parse(text, "f", jiff::Timestamp::UNIX_EPOCH).map(|file| file.request)
}

/// A file that has the field with its example, and the same file without it.
fn with_and_without(section: &Section, name: &str, field: &Field) -> (String, String) {
    let entry = format!("{name}: {}", field.example);
    let task = |fields: &str| format!("tasks: [{{{fields}}}]");
    let inner = |outer: &str, rest: &str| {
        (
            task(&format!("{outer}: {{{entry}{rest}}}")),
            task(&format!("{outer}: {{{}}}", rest.trim_start_matches(", "))),
        )
    };
    match section.title {
        title if title == FILE.title && name == "tasks" => (entry, task("run: x")),
        title if title == FILE.title => (format!("{entry}\n{}", task("run: x")), task("run: x")),
        title if title == JOB.title => (format!("job: {{{entry}}}\n{}", task("run: x")), task("run: x")),
        title if title == DEPENDENCY.title && name == "condition" => (
            task(&format!("run: x, depends_on: {{task: a, {entry}}}")),
            task("run: x, depends_on: {task: a}"),
        ),
        title if title == DEPENDENCY.title => {
            (task(&format!("run: x, depends_on: {{{entry}}}")), task("run: x"))
        }
        title if title == RETRY.title => inner("run: x, retry", ""),
        title if title == COMMAND.title && name == "argv" => (
            task(&format!("command: {{{entry}}}")),
            task("command: {argv: [x]}"),
        ),
        title if title == COMMAND.title => inner("command", ", argv: [x]"),
        title if title == PROMPT.title && name == "text" => inner("prompt", ""),
        title if title == PROMPT.title => inner("prompt", ", text: x"),
        _ if ["run", "command", "prompt"].contains(&name) => (task(&entry), task("run: other")),
        _ => (task(&format!("run: x, {entry}")), task("run: x")),
    }
}

#[test]
fn every_field_of_the_table_is_read_under_each_of_its_names() {
    for section in sections() {
        for field in section.fields {
            for name in [&[field.name], field.also].concat() {
                let (with, without) = with_and_without(section, name, field);
                let with = read(&with).unwrap_or_else(|faults| panic!("{faults}\nin {with}"));
                assert_ne!(Some(with), read(&without).ok(), "{name} of {}", section.title);
            }
        }
    }
}

#[test]
fn every_field_of_the_protocol_is_in_the_table() {
    let manual = include_str!("../../../../proto/swarm/v1/task.proto");
    for (message, sections) in [
        ("TaskSpec", &[&OWN, &SHARED][..]),
        ("Command", &[&COMMAND]),
        ("Prompt", &[&PROMPT]),
        ("Retry", &[&RETRY]),
        ("Dependency", &[&DEPENDENCY]),
    ] {
        let (_, body) = manual.split_once(&format!("message {message} {{\n")).unwrap();
        let (body, _) = body.split_once("\n}\n").unwrap();
        let fields = body.lines().filter_map(|line| {
            let (declared, _) = line.trim().strip_suffix(';')?.split_once(" = ")?;
            declared.rsplit(' ').next()
        });
        let fields: Vec<&str> = fields.collect();
        assert!(!fields.is_empty());
        for field in fields {
            let known = sections.iter().any(|section| section.knows(field));
            assert!(known, "{message}.{field} cannot be written in a job file");
        }
    }
}

#[test]
fn help_and_manual_page_have_every_field() {
    let text = text(Some(80));
    let page = String::from_utf8(page().unwrap()).unwrap();
    let page = page.replace("\\-", "-");
    for section in sections() {
        assert!(text.contains(section.title) && page.contains(&section.title.to_uppercase()));
        for field in section.fields {
            for name in [&[field.name], field.also].concat() {
                assert!(text.contains(name), "{name} is not in the help");
                assert!(page.contains(name), "{name} is not in the page");
            }
            assert!(text.contains(&format!("      {}: {}\n", field.name, field.example)));
        }
    }
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
}

/// A text as the value that an editor checks.
fn value(text: &str) -> Value {
    let mut faults = Faults::new("f");
    let root = tree::read(text, &mut faults);
    assert!(faults.is_empty(), "{faults}\nin {text}");
    root.unwrap().to_json()
}

#[test]
fn what_the_parser_accepts_is_valid_by_the_schema() {
    let schema = schema();
    assert!(jsonschema::meta::is_valid(&schema), "{schema:#}");
    let validator = jsonschema::validator_for(&schema).unwrap();
    let mut files = vec![
        example(),
        include_str!("example.yaml").to_owned(),
        "tasks: {run: x, command: {cwd: /a}, env: {A: b}, requires: {gpu: a100, docker: }}".to_owned(),
        "tasks: [{spec: {run: [a, 1]}, parallel_safe: yes, requires: 'a,!b', timeout: 90, priority: -7}]"
            .to_owned(),
    ];
    for section in sections() {
        for field in section.fields {
            for name in [&[field.name], field.also].concat() {
                files.push(with_and_without(section, name, field).0);
            }
        }
    }
    for text in files {
        assert!(read(&text).is_ok(), "{text}");
        let faults: Vec<String> = validator
            .iter_errors(&value(&text))
            .map(|error| error.to_string())
            .collect();
        assert!(faults.is_empty(), "{faults:?}\nin {text}");
    }
}

#[test]
fn what_the_parser_refuses_is_not_valid_by_the_schema() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    for text in [
        "name: n",
        "tasks: [{run: x, colour: blue}]",
        "tasks: [{run: x, queue: [1]}]",
        "tasks: [{run: x, retries: many}]",
        "tasks: [{run: x, retry: {max: 3}}]",
        "tasks: [{run: x, depends_on: {tusk: a}}]",
        "{defaults: {run: x}, tasks: [{run: x}]}",
    ] {
        assert!(read(text).is_err(), "{text}");
        assert!(!validator.is_valid(&value(text)), "{text}");
    }
}

#[test]
fn the_example_can_be_submitted_and_shows_every_field_of_a_task() {
    let example = example();
    let request = read(&example).unwrap_or_else(|faults| panic!("{faults}\nin {example}"));
    let names: Vec<&str> = request
        .tasks
        .iter()
        .filter_map(|task| task.spec.as_ref())
        .map(|spec| spec.name.as_str())
        .collect();
    assert_eq!(
        names,
        ["fetch", "count", "shard 1", "shard 2", "shard 3", "report"]
    );
    for section in [&OWN, &SHARED, &DESCRIPTIVE] {
        for field in section.fields {
            assert!(example.contains(&format!("{}: ", field.name)), "{}", field.name);
        }
    }
}
