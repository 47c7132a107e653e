//! Job files without faults, and their requests.

use swarm_proto::v1::{Command, DependencyCondition, TaskSpec, task_spec::Work};

use super::*;
use crate::program::value;

mod faults;
mod requires;
mod series;

fn read(text: &str) -> Result<JobFile, Faults> {
    parse(text, "f", "2026-03-01T10:00:00Z".parse().unwrap())
}

fn accepted(text: &str) -> JobFile {
    read(text).unwrap_or_else(|faults| panic!("{faults}\nin {text}"))
}

/// The printed faults, without the lines of help.
fn faults(text: &str) -> Vec<String> {
    let printed = read(text).expect_err("accepted").to_string();
    printed
        .lines()
        .filter(|line| line.starts_with("f:"))
        .map(|line| line["f:".len()..].to_owned())
        .collect()
}

/// The spec of the only task.
fn spec(text: &str) -> TaskSpec {
    let mut tasks = accepted(text).request.tasks;
    assert_eq!(tasks.len(), 1, "{text}");
    tasks.remove(0).spec.unwrap()
}

fn command(spec: &TaskSpec) -> &Command {
    let Some(Work::Command(command)) = &spec.work else {
        panic!("no command in {spec:?}")
    };
    command
}

fn seconds(duration: Option<prost_types::Duration>) -> f64 {
    let duration = duration.expect("absent");
    duration.seconds as f64 + f64::from(duration.nanos) / 1e9
}

#[test]
fn every_field_reaches_the_request() {
    let file = accepted(
        "\
id: job-1
name: nightly
labels: {team: a, version: 1.10}
tasks:
  - {id: a, run: 'true'}
  - id: b
    name: second
    command: {argv: [sort, -n, null], cwd: /tmp, stdin: \"2\\n1\\n\", env: {LANG: C, N: 1}}
    queue: slow
    priority: high
    depends_on: [a, {task: elsewhere, condition: finished}]
    labels: {stage: two}
    retry: {max_retries: 4, initial_backoff: 500ms, max_backoff: 1h 30m}
    timeout: 90
    not_before: 2026-03-01T10:00:00Z
    delay: 10m
    deadline: 2h
    metadata: {ticket: 7, nested: {a: [1, x]}}
    estimated_hours: 1.5
    acceptance_criteria: [it works, fast]
    parallel_safe: true
",
    );
    let job = file.request.job.as_ref().unwrap();
    assert_eq!((job.job_id.as_str(), job.name.as_str()), ("job-1", "nightly"));
    assert_eq!(job.labels["version"], "1.10");

    let b = file.request.tasks[1].spec.as_ref().unwrap();
    let command = command(b);
    assert_eq!(command.argv, ["sort", "-n", "null"]);
    assert_eq!(
        (command.cwd.as_str(), command.stdin.as_slice()),
        ("/tmp", b"2\n1\n".as_slice())
    );
    assert_eq!(command.env["N"], "1");
    assert_eq!(
        (b.name.as_str(), b.queue.as_str(), b.priority),
        ("second", "slow", 50)
    );
    let dependencies: Vec<_> = b
        .depends_on
        .iter()
        .map(|d| (d.task_id.as_str(), d.condition()))
        .collect();
    assert_eq!(
        dependencies,
        [
            ("a", DependencyCondition::Succeeded),
            ("elsewhere", DependencyCondition::Finished)
        ]
    );
    assert_eq!(b.labels["stage"], "two");
    let retry = b.retry.as_ref().unwrap();
    assert_eq!(retry.max_retries, Some(4));
    assert_eq!(
        (seconds(retry.initial_backoff), seconds(retry.max_backoff)),
        (0.5, 5400.0)
    );
    assert_eq!((seconds(b.timeout), seconds(b.delay)), (90.0, 600.0));
    assert_eq!(b.not_before.unwrap().seconds, 1_772_359_200);
    assert_eq!(b.deadline.unwrap().seconds, 1_772_359_200 + 7200);
    let metadata: Vec<_> = b
        .metadata
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    assert_eq!(
        metadata,
        [
            ("acceptance_criteria", r#"["it works","fast"]"#),
            ("estimated_hours", "1.5"),
            ("nested", r#"{"a":[1,"x"]}"#),
            ("parallel_safe", "true"),
            ("ticket", "7"),
        ]
    );
    assert_eq!(file.external.len(), 1);
    assert_eq!(file.external[0].task_id, "elsewhere");
}

#[test]
fn every_known_field_is_read() {
    for field in fields_of_a_task() {
        let value = match field {
            "id" | "task_id" | "name" | "run" | "queue" | "stdin" => "a",
            "parallel_safe" => "false",
            "cwd" => "/",
            "stdin_base64" => "YQ==",
            "array" => "7",
            "each_line" => "[a]",
            "depends_on" | "dependencies" => "[b]",
            "priority" | "retries" | "timeout" | "delay" | "deadline" => "1",
            "not_before" => "2026-03-01T10:00:00Z",
            "command" => "{argv: [a]}",
            "spec" => "{run: a}",
            "env" | "labels" | "metadata" => "{a: b}",
            "retry" => "{max_retries: 1}",
            _ => "text",
        };
        let work = if matches!(field, "run" | "command" | "spec" | "prompt") {
            ""
        } else {
            "run: x, "
        };
        let text = format!("tasks: [{{{work}{field}: {value}}}]");
        let changed = spec(&text) != spec("tasks: [{run: x}]");
        assert!(
            changed || matches!(field, "id" | "task_id"),
            "{field} changes nothing"
        );
    }
}

fn fields_of_a_task() -> Vec<&'static str> {
    reference::names(&[&reference::OWN, &reference::SHARED, &reference::DESCRIPTIVE])
}

#[test]
fn a_string_is_a_shell_line_and_a_list_is_a_command_line() {
    assert_eq!(
        command(&spec("tasks: [{run: 'a | b'}]")).argv,
        ["sh", "-c", "a | b"]
    );
    assert_eq!(command(&spec("tasks: [{run: [a, b c]}]")).argv, ["a", "b c"]);
    assert_eq!(
        command(&spec("tasks: [{command: a b}]")).argv,
        ["sh", "-c", "a b"]
    );
    assert_eq!(
        command(&spec("tasks:\n- run: |\n    a\n    b\n")).argv[2],
        "a\nb\n"
    );
    assert_eq!(
        command(&spec("tasks: {run: x, command: {cwd: /a}, env: {A: b}}")).cwd,
        "/a"
    );
}

#[test]
fn names_give_generated_ids_and_can_be_referred_to() {
    let text = "tasks: [{name: the build, run: x}, {name: t, run: y, depends_on: the build}, {run: z}]";
    let (one, other) = (accepted(text).request, accepted(text).request);
    let ids: Vec<_> = one.tasks.iter().map(|task| task.task_id.as_str()).collect();
    assert!(
        ids.iter().all(|id| id.len() == 10 && value::check_id(id).is_ok()),
        "{ids:?}"
    );
    assert_eq!(one.tasks[1].spec.as_ref().unwrap().depends_on[0].task_id, ids[0]);
    assert_eq!(one.tasks[0].spec.as_ref().unwrap().name, "the build");
    assert_ne!(
        ids[0], other.tasks[0].task_id,
        "a file with names can be run again"
    );
    assert_ne!(one.job.unwrap().job_id, other.job.unwrap().job_id);
}

#[test]
fn the_id_of_a_job_gives_ids_to_its_tasks() {
    let ids = |job: &str, tasks: &str| -> Vec<String> {
        let request = accepted(&format!("id: {job}\ntasks: [{tasks}]")).request;
        request.tasks.into_iter().map(|task| task.task_id).collect()
    };
    let (build, test, nameless) = ("{name: build, run: x}", "{name: test, run: y}", "{run: z}");
    let one = ids("j", &format!("{build}, {test}, {nameless}, {nameless}"));
    assert_eq!(one, ids("j", &format!("{build}, {test}, {nameless}, {nameless}")));
    // A name keeps its id wherever it stands, and no two tasks share one.
    assert_eq!(
        ids("j", &format!("{test}, {build}")),
        [one[1].clone(), one[0].clone()]
    );
    let different: std::collections::BTreeSet<&String> = one.iter().collect();
    assert_eq!(different.len(), 4);
    assert_ne!(one[0], ids("other", build)[0]);
}

#[test]
fn written_ids_make_a_repeated_submit_the_same_request() {
    let text = "tasks: [{id: a, run: x}, {id: b, run: y, depends_on: a}]";
    assert_eq!(accepted(text).request, accepted(text).request);
}

#[test]
fn json_is_accepted_as_other_programs_write_it() {
    let file = accepted(
        "{\n\t\"job\": {\"job_id\": \"j\", \"labels\": {}},\n\t\"tasks\": [\n\t\t{\"task_id\": \"a\", \
         \"spec\": {\"command\": {\"argv\": [\"echo\", \"\\ud83d\\ude00\\/\\u00e9\\\\ud83d\"]}, \
         \"depends_on\": null, \"priority\": 5}}\n\t]\n}\n",
    );
    let task = &file.request.tasks[0];
    assert_eq!(
        (
            file.request.job.as_ref().unwrap().job_id.as_str(),
            task.task_id.as_str()
        ),
        ("j", "a")
    );
    let spec = task.spec.as_ref().unwrap();
    assert_eq!(
        (command(spec).argv[1].as_str(), spec.priority),
        ("😀/é\\ud83d", 5)
    );

    let text = r#"{"tasks": [{"run": "\ud83d\ude00\ud83d\ude00", "bogus": 1}, {"run": 1, "queue": [1]}]}"#;
    assert_eq!(
        faults(text),
        [
            format!("1:{}: unknown field `bogus`", text.find("\"bogus\"").unwrap() + 1),
            format!(
                "1:{}: `queue` has to be a single value, and this is a list",
                text.find("[1]").unwrap() + 1
            ),
        ]
    );
}

#[test]
fn defaults_hold_where_a_task_says_nothing() {
    let file = accepted(
        "\
defaults: {timeout: 10m, retries: 2, env: {A: 1, B: 2}, cwd: /srv}
tasks:
  - {id: a, run: x}
  - {id: b, run: x, timeout: 1m, env: {B: 3}, retry: {max_backoff: 1m}}
",
    );
    let [a, b] = [0, 1].map(|index| file.request.tasks[index].spec.clone().unwrap());
    assert_eq!((seconds(a.timeout), seconds(b.timeout)), (600.0, 60.0));
    assert_eq!(
        (
            a.retry.unwrap().max_retries,
            b.retry.as_ref().unwrap().max_retries
        ),
        (Some(2), Some(2))
    );
    assert_eq!(command(&b).env.values().collect::<Vec<_>>(), ["1", "3"]);
    assert_eq!(command(&b).cwd, "/srv");
    assert_eq!(
        file.locate("tasks[0].spec.timeout"),
        Some(Position { line: 1, column: 21 })
    );
    assert_eq!(
        file.locate("tasks[1].spec.timeout"),
        Some(Position { line: 4, column: 30 })
    );
}

#[test]
fn anchors_and_merge_keys_are_followed() {
    let file = accepted("tasks:\n- &base {id: a, run: x, timeout: 5}\n- {<<: *base, id: b, queue: q}\n");
    let b = file.request.tasks[1].spec.as_ref().unwrap();
    assert_eq!(
        (
            seconds(b.timeout),
            b.queue.as_str(),
            file.request.tasks[1].task_id.as_str()
        ),
        (5.0, "q", "b")
    );
}

#[test]
fn fields_that_the_coordinator_refuses_are_found_again() {
    let file = accepted(
        "name: n\ntasks:\n  - {id: a, run: x}\n  - id: b\n    run: [x, y]\n    depends_on:\n      - a\n      \
         - c\n    retries: 3\n",
    );
    for (field, line, column) in [
        ("tasks[1].spec.depends_on[1]", 8, 9),
        ("tasks[1].spec.depends_on[1].task_id", 8, 9),
        ("tasks[1].spec.command.argv[1]", 5, 14),
        ("tasks[1].spec.retry.max_retries", 9, 14),
        ("tasks[1].spec.priority", 4, 5),
        ("tasks[0].task_id", 3, 10),
        ("tasks[7]", 3, 3),
        ("job.name", 1, 7),
    ] {
        assert_eq!(file.locate(field), Some(Position { line, column }), "{field}");
    }
    assert_eq!(file.locate("nonsense"), None);
}

#[test]
fn ten_thousand_tasks_are_read() {
    let mut text = "tasks:\n- {id: t0, run: x}\n".to_owned();
    for n in 1..10_000 {
        text.push_str(&format!(
            "- {{id: t{n}, run: echo {n}, depends_on: [t{}]}}\n",
            n - 1
        ));
    }
    assert_eq!(accepted(&text).request.tasks.len(), 10_000);
}
