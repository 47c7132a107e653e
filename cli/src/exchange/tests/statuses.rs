//! Tasks that are done or begin anew, and dependencies on them.

use swarm_proto::v1::event::Payload;

use super::*;
use crate::exchange::execution_log;

const QUEUE: &str = r#"{"tasks": [
  {"id": "a", "prompt": "A", "type": "grind", "status": "completed"},
  {"id": "b", "prompt": "B", "status": "failed", "depends_on": ["a"], "parallel_safe": false},
  {"id": "c", "prompt": "C", "status": "in_progress", "depends_on": ["b", "a", "z"]},
  {"id": "d", "prompt": "D", "depends_on": ["e"]}],
 "completed": ["z", {"id": "e", "prompt": "E"}],
 "failed": [{"id": "f", "prompt": "F"}, "g"]}"#;

#[test]
fn what_is_completed_is_left_out_and_what_depends_on_it_goes_on() {
    let (_, tasks, notes) = import(QUEUE);
    assert_eq!(ids(&tasks), ["b", "c", "d", "f"]);
    assert_eq!(dependencies(&tasks[0]), Vec::<&str>::new());
    assert_eq!(dependencies(&tasks[1]), ["b"]);
    assert_eq!(spec(&tasks[0]).exclusive_group, "parallel-unsafe");
    assert_eq!(
        spec(&tasks[1]).metadata,
        pairs([("seed.met_dependencies", "[\"a\",\"z\"]")])
    );
    assert_eq!(
        notes,
        [
            "begun or failed elsewhere, and submitted to begin anew: 3 tasks (b, c, f)",
            "failed elsewhere, and not submitted, for the file has only their ids: 1 task (g)",
            "completed elsewhere, and not submitted again: 2 tasks (a, e); --all submits them too",
            "4 dependencies on completed tasks: met, and kept in metadata",
            "4 prompts: no agent of this version runs prompts, so they wait in their queue",
        ]
    );
    // The dependencies come back, and an import of that is the same again.
    let text = export(Format::QueueJson, &queued(&tasks));
    let queue: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(queue["tasks"][1]["depends_on"], json!(["a", "z", "b"]));
    assert_eq!(
        queue["tasks"][1]["swarm"],
        json!({"met_dependencies": ["a", "z"]})
    );
    assert_eq!(queue["tasks"][0]["parallel_safe"], json!(false));
    assert_eq!(import(&text).1, tasks);
}

#[test]
fn a_dependency_on_a_completed_task_that_the_coordinator_has_stays() {
    let options = Options {
        known: ["a".to_owned()].into(),
        ..Options::default()
    };
    let (_, tasks, _) = import_with(QUEUE, &options);
    assert_eq!(dependencies(&tasks[0]), ["a"]);
    assert_eq!(dependencies(&tasks[1]), ["b", "a"]);
    assert_eq!(
        spec(&tasks[1]).metadata,
        pairs([("seed.met_dependencies", "[\"z\"]")])
    );
}

#[test]
fn all_submits_what_is_completed_too() {
    let all = Options {
        all: true,
        ..Options::default()
    };
    let (_, tasks, _) = import_with(QUEUE, &all);
    assert_eq!(ids(&tasks), ["a", "b", "c", "d", "e", "f"]);
    // The file has only the id of `z`.
    assert_eq!(dependencies(&tasks[2]), ["b", "a"]);
    assert_eq!(dependencies(&tasks[3]), ["e"]);
}

#[test]
fn nothing_is_left_when_everything_is_completed() {
    let text = r#"{"tasks": [{"id": "a", "prompt": "A", "status": "succeeded"}], "completed": ["b"]}"#;
    let import = read(text, "q", &Options::default(), NOW.parse().unwrap());
    assert!(import.is_ok_and(|import| import.file.is_none()));
}

#[test]
fn a_log_says_how_far_the_tasks_are() {
    let log = concat!(
        r#"{"task_id":"b","worker_id":"worker_ab12cd34","status":"in_progress","#,
        r#""timestamp":"2026-02-08T12:00:00+00:00"}"#,
        "\n",
        r#"{"task_id":"b","worker_id":"worker_ab12cd34","status":"completed","#,
        r#""timestamp":"2026-02-08T12:00:10+00:00","result_summary":"...","errors":null,"#,
        r#""model":"llama-3.1-8b-instant"}"#,
        "\n\n",
        r#"{"task_id":"d","status":"subtask_failed","timestamp":"2026-02-08T12:00:10+00:00"}"#,
        "\n"
    );
    assert!(execution_log::is_log(log) && !execution_log::is_log(QUEUE));
    let options = Options {
        statuses: execution_log::statuses(log).unwrap(),
        ..Options::default()
    };
    let (_, tasks, _) = import_with(QUEUE, &options);
    assert_eq!(ids(&tasks), ["c", "d", "f"]);
    assert_eq!(
        execution_log::statuses("{}\n{").unwrap_err(),
        "line 1 has no task_id and status"
    );
}

#[test]
fn events_become_lines_of_the_log() {
    let event = |seq: u64, attempt: u32, payload: Payload| v1::Event {
        seq,
        attempt,
        task_id: "a".into(),
        agent_id: if attempt > 0 { "lab".into() } else { String::new() },
        time: Some(prost_types::Timestamp {
            seconds: 1_770_552_000,
            nanos: if seq == 1 { 0 } else { 5_000_000 },
        }),
        summary: "task a succeeded".into(),
        payload: Some(payload),
        ..Default::default()
    };
    let failed = |due_time| {
        Payload::AttemptFailed(v1::AttemptFailed {
            message: "exit code 3".into(),
            due_time,
            ..Default::default()
        })
    };
    let events = [
        event(1, 1, Payload::LeaseGranted(Default::default())),
        event(2, 1, failed(Some(Default::default()))),
        event(3, 2, Payload::LeaseGranted(Default::default())),
        event(4, 2, failed(None)),
        event(
            5,
            0,
            Payload::TaskFailed(v1::TaskFailed {
                reason: "failed twice".into(),
            }),
        ),
        event(6, 0, Payload::TaskRetried(Default::default())),
        event(7, 3, Payload::TaskSucceeded(Default::default())),
        event(8, 0, Payload::AgentRegistered(Default::default())),
    ];
    let mut lines = execution_log::Lines::default();
    let log: Vec<String> = events.iter().filter_map(|event| lines.line(event)).collect();
    assert_eq!(
        log[0],
        concat!(
            r#"{"task_id":"a","worker_id":"lab","status":"in_progress","timestamp":"2026-02-08T12:00:00+00:00","#,
            r#""result_summary":null,"errors":null,"model":null,"seq":1,"attempt":1}"#
        )
    );
    let short: Vec<Value> = log
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let short: Vec<Value> = short
        .iter()
        .map(|line| json!([line["status"], line["worker_id"], line["attempt"], line["errors"]]))
        .collect();
    assert_eq!(
        short,
        [
            json!(["in_progress", "lab", 1, null]),
            json!(["pending", "lab", 1, "exit code 3"]),
            json!(["in_progress", "lab", 2, null]),
            json!(["failed", "lab", 2, "failed twice: exit code 3"]),
            json!(["pending", null, 0, null]),
            json!(["completed", "lab", 3, null]),
        ]
    );
    assert!(log[5].contains(
        "\"timestamp\":\"2026-02-08T12:00:00.005000+00:00\",\"result_summary\":\"task a succeeded\""
    ));
    let statuses = execution_log::statuses(&log.join("\n")).unwrap();
    let options = Options {
        statuses,
        ..Options::default()
    };
    assert!(ids(&import_with(QUEUE, &options).1).iter().all(|id| *id != "a"));
}

#[test]
fn what_depends_on_a_cancelled_task_is_a_fault() {
    let text = r#"[{"id": "a", "title": "A", "description": "x", "status": "cancelled"},
  {"id": "b", "title": "B", "swarm": {"depends_on": [{"task": "a", "condition": "finished"}]}},
  {"id": "c", "title": "C", "swarm": {"depends_on": ["a"]}}]"#;
    let told = faults(text);
    assert!(
        told.starts_with("file:3:54: 'c' depends on 'a', which was cancelled"),
        "{told}"
    );
    assert!(told.contains("--all submits what was cancelled too"), "{told}");
    assert_eq!(told.lines().count(), 2, "{told}");
}

#[test]
fn a_prefix_goes_before_the_ids_of_the_file_and_no_others() {
    let options = Options {
        prefix: "team:".into(),
        ..Options::default()
    };
    let text = QUEUE.replace("[\"e\"]", "[\"e\", \"elsewhere\"]");
    let (_, tasks, _) = import_with(&text, &options);
    assert_eq!(ids(&tasks), ["team:b", "team:c", "team:d", "team:f"]);
    assert_eq!(dependencies(&tasks[1]), ["team:b"]);
    assert_eq!(dependencies(&tasks[2]), ["elsewhere"]);
    assert_eq!(
        spec(&tasks[1]).metadata["seed.met_dependencies"],
        "[\"team:a\",\"team:z\"]"
    );
    let (_, tasks, _) = import_with(
        "id: j\ntasks: [{id: a, run: x}, {name: b, run: y, depends_on: [a]}]",
        &options,
    );
    assert_eq!(tasks[0].task_id, "team:a");
    assert_eq!(dependencies(&tasks[1]), ["team:a"]);
}

#[test]
fn every_state_has_its_word_in_every_format() {
    let states = [
        TaskState::Blocked,
        TaskState::Delayed,
        TaskState::Queued,
        TaskState::Waiting,
        TaskState::Running,
        TaskState::Succeeded,
        TaskState::Failed,
        TaskState::Cancelled,
        TaskState::Skipped,
    ];
    let words = |format: Format| {
        let schema = format.schema().unwrap();
        states.map(|state| schema.statuses.of(state).0)
    };
    assert_eq!(
        words(Format::QueueJson).join(" "),
        "pending pending pending pending in_progress completed failed failed failed"
    );
    assert_eq!(
        words(Format::Amplifier).join(" "),
        "not_started not_started not_started not_started in_progress completed failed failed failed"
    );
    assert_eq!(
        words(Format::Agentvine).join(" "),
        "queued queued queued queued in_progress completed failed cancelled failed"
    );
    // A cancelled task stays cancelled, even if the format has no word for it.
    let new = import("tasks: [{id: a, run: x}]").1;
    for (state, submitted) in [
        (TaskState::Cancelled, 0),
        (TaskState::Skipped, 1),
        (TaskState::Succeeded, 0),
    ] {
        let text = export(Format::QueueJson, &[task(&new[0], state)]);
        assert_eq!(import(&text).1.len(), submitted, "{text}");
        // A status changed by a person counts.
        let again = text
            .replace("\"failed\",", "\"pending\",")
            .replace("\"completed\",", "\"pending\",");
        assert_eq!(import(&again).1.len(), 1, "{again}");
    }
}

#[test]
fn a_masked_value_of_a_variable_is_no_value() {
    let new = NewTask {
        task_id: "a".into(),
        spec: Some(TaskSpec {
            work: Some(Work::Command(v1::Command {
                argv: vec!["make".into()],
                env: pairs([("TOKEN", "***")]),
                ..Default::default()
            })),
            ..TaskSpec::default()
        }),
    };
    for format in [
        Format::Jobfile,
        Format::QueueJson,
        Format::Amplifier,
        Format::Agentvine,
    ] {
        let told = faults(&export(format, &queued(std::slice::from_ref(&new))));
        assert!(told.contains("the value of 'TOKEN' is ***"), "{told}");
    }
}

#[test]
fn what_somebody_changed_in_an_export_counts() {
    let mut new = import("tasks: [{id: a, run: [echo, hi], priority: 60, exclusive_group: g}]").1;
    new[0].spec.as_mut().unwrap().depends_on = vec![Dependency {
        task_id: "z".into(),
        condition: 2,
    }];
    let text = export(Format::QueueJson, &queued(&new));
    let changed = text
        .replace("\"echo hi\"", "\"echo ho\"")
        .replace("\"high\"", "\"low\"")
        .replace("\"parallel_safe\": false", "\"parallel_safe\": true")
        .replace("\"z\"\n      ],", "\"y\"\n      ],");
    let spec = import(&changed).1.remove(0).spec.unwrap();
    let Some(Work::Command(command)) = &spec.work else {
        panic!("{spec:?}")
    };
    assert_eq!(command.argv, ["sh", "-c", "echo ho"]);
    assert_eq!((spec.priority, spec.exclusive_group.as_str()), (-50, ""));
    assert_eq!(
        (spec.depends_on[0].task_id.as_str(), spec.depends_on[0].condition),
        ("y", 1)
    );
}
