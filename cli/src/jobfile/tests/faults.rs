//! Faults of job files, with their places.

use super::{accepted, faults, read};
use crate::jobfile::fault::Position;

#[test]
fn every_fault_of_a_file_is_reported_with_its_place() {
    let text = "\
name: nightly
colour: blue
defaults: {timeout: soon, id: x, retrys: 3}
tasks:
  - id: fetch
    run: curl -o data.csv
    dependson: [nothing]
  - id: build
    run: make
    command: {argv: [make]}
    priority: urgent
    depends_on: [fetch, 'no such task', elsewhere]
    priority: high
  - id: bad id
    env: {A: , B: [1]}
  - id: fetch
    run: []
    retries: 101
    cwd: here
  - id: loop
    run: x
    depends_on: {task: pool, condition: sometimes}
  - id: pool
    runner: Summarise
    dependencies: loop
    not_before: someday
    retry: {initial_backoff: 2d, max: 3}
";
    assert_eq!(
        faults(text),
        [
            "2:1: unknown field `colour`",
            "3:21: `timeout`: 'soon' is not a duration, such as 90s, 10m or 1h 30m",
            "3:27: `id` has no meaning in `defaults`",
            "3:34: unknown field `retrys`",
            "7:5: unknown field `dependson`",
            "10:15: `command.argv` and `run` say the same thing: keep one of them",
            "11:15: `priority`: 'urgent' is not a priority: low, normal, high, critical, or -100 to 100",
            "12:25: no task of this file is named 'no such task', and it cannot be an id",
            "13:5: `priority` is given twice, first in line 11",
            "14:5: the task has nothing to do",
            "14:9: `id`: 'bad id' is not an id: ' ' is not among A-Z a-z 0-9 . _ : -",
            "15:11: `env.A` has no value; an empty text is written \"\"",
            "15:19: `env.B` has to be a single value, and this is a list",
            "16:9: the id 'fetch' is that of the task in line 5 too",
            "17:10: `run` names no program",
            "18:14: `retries` is 101, out of range: 0 to 100",
            "19:10: `cwd` is 'here': it has to be an absolute path on the agent's machine",
            "22:24: tasks depend on each other: 'loop' → 'pool' → 'loop'",
            "22:41: `condition`: 'sometimes' is neither succeeded nor finished",
            "24:5: `runner`: no agent runs coding agents yet",
            "26:17: `not_before`: 'someday' is not a time, such as 18:00, tomorrow 2am, \
             2026-03-01 (of this machine's zone) or 2026-03-01T10:00:00Z",
            "27:30: `retry.initial_backoff` is 2d, too long: at most 1 day",
            "27:34: unknown field `max`",
        ]
    );
    let faults = read(text).unwrap_err();
    let external: Vec<_> = faults
        .external
        .iter()
        .map(|e| (e.task_id.as_str(), e.position))
        .collect();
    assert_eq!(external, [("elsewhere", Position { line: 12, column: 41 })]);
}

#[test]
fn an_unknown_field_comes_with_the_one_that_was_meant() {
    for (field, meant) in [
        ("dependson", "depends_on"),
        ("depend_on", "depends_on"),
        ("needs", "depends_on"),
        ("retrys", "retry"),
        ("retires", "retries"),
        ("time_out", "timeout"),
        ("script", "run"),
        ("environment", "env"),
        ("require", "requires"),
        ("selector", "requires"),
        ("exclusive", "exclusive_group"),
        ("mutex", "exclusive_group"),
        ("shardkey", "shard_key"),
        ("promt", "prompt"),
        ("modle", "model"),
    ] {
        let printed = read(&format!("tasks: [{{run: x, {field}: 1}}]"))
            .unwrap_err()
            .to_string();
        let expected = format!("f:1:18: unknown field `{field}`\n  help: did you mean `{meant}`");
        assert!(printed.starts_with(&expected), "{printed}");
        assert!(printed.ends_with("swarmctl help jobfile"), "{printed}");
    }
    let printed = read("tasks: [{run: x, zzzzzz: 1}]").unwrap_err().to_string();
    assert!(
        printed.contains("help: the usual fields here are run, name, id, depends_on"),
        "{printed}"
    );
}

#[test]
fn a_name_means_one_task() {
    assert_eq!(
        faults("tasks:\n- {name: a, run: x}\n- {name: a, run: y}\n"),
        ["3:10: the name 'a' is that of the task in line 2 too"]
    );
    assert_eq!(
        faults("tasks:\n- {id: a, run: x}\n- {name: a, run: y}\n"),
        ["3:10: the name 'a' is the id of the task in line 2"]
    );
    // With ids of their own they may share a name, until it is referred to.
    let shared = "tasks:\n- {id: a, name: n, run: x}\n- {id: b, name: n, run: y}\n";
    assert_eq!(accepted(shared).request.tasks.len(), 2);
    assert_eq!(
        faults(&format!("{shared}- {{id: c, run: z, depends_on: n}}\n")),
        ["4:31: 'n' is the name of several tasks"]
    );
}

#[test]
fn an_unknown_reference_can_be_reported_with_the_place_and_a_suggestion() {
    let file = accepted("tasks:\n- {id: build, run: x}\n- {id: b, run: y, depends_on: [biuld]}\n");
    let mut faults = file.no_faults();
    file.external
        .iter()
        .for_each(|external| faults.push_unknown_task(external));
    assert_eq!(
        faults.to_string(),
        "f:3:32: no task 'biuld', neither in this file nor on the coordinator\n  help: did you mean 'build'?"
    );
}

#[test]
fn cycles_are_named_and_what_leads_into_them_is_not() {
    assert_eq!(
        faults(
            "tasks:\n- {id: z, run: x, depends_on: c}\n- {id: c, run: x, depends_on: b}\n\
             - {id: b, run: x, depends_on: [free, a]}\n- {id: a, run: x, depends_on: c}\n\
             - {id: free, run: x}\n- {id: self, run: x, depends_on: self}\n"
        ),
        [
            "3:31: tasks depend on each other: 'c' → 'b' → 'a' → 'c'",
            "7:34: 'self' depends on itself",
        ]
    );
    assert_eq!(
        faults("tasks: [{id: a, run: x}, {id: b, run: x, depends_on: [a, a]}]"),
        ["1:58: 'a' is listed before, in line 1"]
    );
}

#[test]
fn a_syntax_error_is_a_fault_with_a_place() {
    for (text, place) in [
        ("tasks:\n  - id: a\n   run: b\n", "3:4: "),
        ("tasks:\n- run: 'abc\n", "2:8: "),
        ("tasks:\n\t- run: x\n", "2:2: "),
        ("a: [", "2:1: "),
        ("{\"tasks\": [}", "1:12: "),
        ("tasks: *x", "1:8: "),
        ("a: &a [*a]\n", "1:8: "),
        ("a: 1\n---\nb: 1\n", "2:1: "),
        ("", "1:1: "),
        ("# nothing\n", "1:1: "),
    ] {
        let faults = faults(text);
        assert_eq!(faults.len(), 1, "{text:?}: {faults:?}");
        assert!(faults[0].starts_with(place), "{text:?}: {faults:?}");
    }
}

#[test]
fn what_is_no_job_at_all_is_one_fault() {
    assert_eq!(
        faults("5"),
        ["1:1: a job file has to be a map, and this is a single value"]
    );
    assert_eq!(faults("name: x"), ["1:1: the file has no `tasks:`"]);
    assert_eq!(faults("tasks: []"), ["1:8: `tasks` is empty"]);
    assert_eq!(
        faults("tasks: [5]"),
        ["1:9: a task has to be a map, and this is a single value"]
    );
    assert_eq!(
        faults("? [a]\n: b\ntasks: [{run: x}]"),
        ["1:3: a key has to be text, and this is a list"]
    );
    assert_eq!(
        faults("tasks: [{run: !x y}]"),
        ["1:15: the tag `!x` means nothing in a job file"]
    );
}

#[test]
fn limits_of_the_protocol_are_faults_with_a_place() {
    let pairs = (0..65).map(|n| format!("k{n}: v")).collect::<Vec<_>>().join(", ");
    let many = (0..1001).map(|n| format!("t{n}")).collect::<Vec<_>>().join(", ");
    for (fields, expected) in [
        (
            format!("labels: {{{pairs}}}"),
            "1:9: `labels` has 65 entries; at most 64",
        ),
        (
            format!("name: {}", "n".repeat(201)),
            "1:24: `name` has 201 bytes; at most 200",
        ),
        (
            format!("stdin: {}", "s".repeat(70_000)),
            "1:9: the task has 70019 bytes in all; at most 65536",
        ),
        (
            format!("depends_on: [{many}]"),
            "1:30: `depends_on` has 1001 tasks; at most 1000: put tasks in between that collect them",
        ),
        (
            "timeout: 31d".into(),
            "1:27: `timeout` is 31d, too long: at most 30 days",
        ),
        (
            "timeout: 0".into(),
            "1:27: `timeout` is 0: the task would end before it begins",
        ),
        (
            "priority: 101".into(),
            "1:28: `priority`: priority 101 is out of range: -100 to 100",
        ),
        (
            "retries: -1".into(),
            "1:27: `retries` is -1, out of range: 0 to 100",
        ),
        (
            "retries: many".into(),
            "1:27: `retries` has to be a whole number, and 'many' is none",
        ),
        (
            format!("exclusive_group: {}", "g".repeat(129)),
            "1:35: `exclusive_group` has 129 bytes; at most 128",
        ),
        (
            format!(
                "requires: [{}]",
                (0..17).map(|n| format!("k{n}")).collect::<Vec<_>>().join(", ")
            ),
            "1:28: `requires` has 17 terms; at most 16",
        ),
        (
            "env: {A=B: x}".into(),
            "1:23: `env`: 'A=B' cannot be an environment variable",
        ),
    ] {
        assert_eq!(faults(&format!("tasks: [{{run: x, {fields}}}]")), [expected]);
    }
    let tasks = "- run: x\n".repeat(10_001);
    assert_eq!(
        faults(&format!("tasks:\n{tasks}")),
        ["2:3: 10001 tasks in one file; at most 10000"]
    );
}

#[test]
fn aliases_of_aliases_do_not_grow_without_bound() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..30 {
        let list = vec![format!("*a{}", n - 1); 10].join(", ");
        text.push_str(&format!("a{n}: &a{n} [{list}]\n"));
    }
    let faults = faults(&text);
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert!(faults[0].contains("over 2000000 values"), "{faults:?}");

    for deep in [format!("tasks: {}", "[".repeat(100_000)), "- ".repeat(100_000)] {
        let printed = read(&deep).unwrap_err().to_string();
        assert!(
            printed.contains("64 levels deep") || printed.contains("recursion limit"),
            "{printed}"
        );
    }
}

#[test]
fn more_faults_than_anybody_reads_are_counted() {
    let text = format!("tasks:\n{}", "- {run: x, bogus: 1}\n".repeat(300));
    let printed = read(&text).unwrap_err().to_string();
    assert!(printed.ends_with("\nand 100 more faults"), "{printed}");
}
