//! The examples of the other systems' documents.

use super::*;

/// Black Swarm's `queue.json`.
const QUEUE: &str = include_str!("queue.json");

/// The task of AgentVine's quick start.
const VINE: &str = r#"{
    "title": "Implement user authentication",
    "description": "Add JWT-based authentication to the API",
    "task_type": "feature",
    "priority": "normal",
    "repository_url": "https://github.com/your/repo",
    "branch_name": "main"
  }"#;

/// The fields that Amplifier Swarm's guide names, in its id's form.
const AMPLIFIER: &str = r#"tasks:
  - id: 2.6.1.a
    name: Implement user authentication
    phase: implementation
    type: implementation
    status: not_started
    priority: high
    estimated_hours: 2.5
    description: |
      Implement JWT-based authentication.
      Tokens expire.
    acceptance_criteria: "- Users can log in\n- Tokens expire after 24h"
    files: [src/auth/authentication.py, tests/test_authentication.py]
    design_docs: [docs/auth-design.md]
  - id: "2.6.1.b"
    name: Document it
    priority: medium
    dependencies: [2.6.1.a]
"#;

#[test]
fn the_queue_of_black_swarm_becomes_a_prompt_and_comes_back_the_same() {
    let (format, tasks, notes) = import(QUEUE);
    assert_eq!((format, ids(&tasks)), (Format::QueueJson, vec!["task_001"]));
    assert_eq!(
        prompt(&tasks[0]),
        ("Summarize the repository changes", "llama-3.1-8b-instant")
    );
    assert_eq!(
        spec(&tasks[0]).metadata,
        pairs([
            ("seed.min_budget", "0.05"),
            ("seed.max_budget", "0.1"),
            ("seed.intensity", "medium")
        ])
    );
    assert_eq!(spec(&tasks[0]).exclusive_group, "");
    assert_eq!(
        notes,
        [
            "`intensity` of 1 task has no meaning here yet; kept in metadata as seed.intensity",
            "`max_budget` of 1 task has no meaning here yet; kept in metadata as seed.max_budget",
            "`min_budget` of 1 task has no meaning here yet; kept in metadata as seed.min_budget",
            "1 prompt: no agent of this version runs prompts, so they wait in their queue",
        ]
    );
    let mut expected: Value = serde_json::from_str(QUEUE).unwrap();
    expected["completed"] = json!([]);
    expected["failed"] = json!([]);
    assert_eq!(written(Format::QueueJson, &queued(&tasks)), expected);
}

#[test]
fn the_task_of_agentvine_becomes_a_named_prompt_and_comes_back_the_same() {
    for text in [VINE.to_owned(), format!("[{VINE}]")] {
        let (format, tasks, _) = import(&text);
        assert_eq!((format, tasks.len()), (Format::Agentvine, 1));
        assert_eq!(spec(&tasks[0]).name, "Implement user authentication");
        assert_eq!(prompt(&tasks[0]).0, "Add JWT-based authentication to the API");
        assert_eq!(
            spec(&tasks[0]).metadata,
            pairs([
                ("agentvine.branch_name", "main"),
                ("agentvine.repository_url", "https://github.com/your/repo"),
                ("agentvine.task_type", "feature"),
            ])
        );
        let mut expected: Value = serde_json::from_str(VINE).unwrap();
        expected["id"] = json!(tasks[0].task_id);
        expected["status"] = json!("queued");
        assert_eq!(written(Format::Agentvine, &queued(&tasks)), json!([expected]));
    }
}

#[test]
fn the_same_task_of_agentvine_has_the_same_id_in_every_import_and_another_than_its_twin() {
    let (_, once, _) = import(VINE);
    let (_, twice, _) = import(&format!("[{VINE}, {VINE}]"));
    assert_eq!(once[0].task_id, twice[0].task_id);
    assert_ne!(twice[0].task_id, twice[1].task_id);
    let begun = VINE.replacen('{', "{\"status\": \"in_progress\",", 1);
    assert_eq!(import(&begun).1, once);
}

#[test]
fn the_tasks_of_amplifier_keep_their_order_and_come_back_the_same() {
    let (format, tasks, _) = import(AMPLIFIER);
    assert_eq!(format, Format::Amplifier);
    assert_eq!(ids(&tasks), ["2.6.1.a", "2.6.1.b"]);
    assert_eq!(
        prompt(&tasks[0]).0,
        "Implement JWT-based authentication.\nTokens expire.\n"
    );
    // A task without any other text has its name as the work.
    assert_eq!(
        (prompt(&tasks[1]).0, spec(&tasks[1]).priority),
        ("Document it", 0)
    );
    assert_eq!(dependencies(&tasks[1]), ["2.6.1.a"]);
    assert_eq!(spec(&tasks[0]).priority, 50);
    assert_eq!(
        spec(&tasks[0]).metadata,
        pairs([
            (
                "amplifier.acceptance_criteria",
                "- Users can log in\n- Tokens expire after 24h"
            ),
            ("amplifier.design_docs", "[\"docs/auth-design.md\"]"),
            ("amplifier.estimated_hours", "2.5"),
            (
                "amplifier.files",
                "[\"src/auth/authentication.py\",\"tests/test_authentication.py\"]"
            ),
            ("amplifier.phase", "implementation"),
            ("amplifier.type", "implementation"),
        ])
    );
    let mut tasks = queued(&tasks);
    tasks[0].state = TaskState::Failed.into();
    tasks[0].tries = Some(v1::Tries {
        failures: 3,
        ..Default::default()
    });
    tasks[0].attempts = vec![v1::Attempt {
        outcome: v1::AttemptOutcome::Failed.into(),
        message: "no such file".into(),
        ..Default::default()
    }];
    let text = export(Format::Amplifier, &tasks);
    assert_eq!(
        text,
        r#"version: "2.0"
exported_at: "2026-03-01T10:00:00Z"
tasks:
  - id: "2.6.1.a"
    name: Implement user authentication
    description: |
      Implement JWT-based authentication.
      Tokens expire.
    status: failed
    priority: high
    dependencies: []
    acceptance_criteria: |-
      - Users can log in
      - Tokens expire after 24h
    design_docs: [docs/auth-design.md]
    estimated_hours: 2.5
    files: [src/auth/authentication.py, tests/test_authentication.py]
    phase: implementation
    type: implementation
    retry_count: 3
    last_error: no such file
  - id: "2.6.1.b"
    name: Document it
    description: Document it
    status: not_started
    priority: medium
    dependencies: ["2.6.1.a"]
    retry_count: 0
    last_error: null
summary:
  total: 2
  failed: 1
  not_started: 1
"#
    );
    let (format, again, notes) = import(&text);
    assert_eq!((format, again), (Format::Amplifier, import(AMPLIFIER).1));
    assert!(
        notes.contains(
            &"not kept, for they tell what became of the tasks elsewhere: last_error, retry_count".to_owned()
        ),
        "{notes:?}"
    );
}

#[test]
fn tasks_with_titles_and_dependencies_keep_their_order_and_their_names() {
    for (field, more) in [
        ("dependencies", ""),
        ("dependencies", "phase: design\n    "),
        ("depends_on", ""),
    ] {
        let text = format!(
            "tasks:\n  - id: task-001\n    {more}title: Survey\n    description: Survey the field\n  \
             - id: task-002\n    title: Report\n    description: Write it up\n    {field}: [task-001]\n"
        );
        let (format, tasks, notes) = import(&text);
        assert_eq!(format, Format::Amplifier, "{text}");
        assert_eq!(dependencies(&tasks[1]), ["task-001"], "{text}");
        assert_eq!(
            (spec(&tasks[0]).name.as_str(), prompt(&tasks[0]).0),
            ("Survey", "Survey the field")
        );
        assert!(!notes.concat().contains(field), "{notes:?}");
        assert!(!notes.concat().contains("title"), "{notes:?}");
    }
    let alone = "tasks:\n  - id: task-001\n    title: Survey\n    description: Survey the field\n";
    assert_eq!(import(alone).0, Format::Agentvine);
}

#[test]
fn our_own_job_file_is_recognised_by_what_its_tasks_run() {
    let (format, tasks, _) =
        import("tasks: [{id: a, run: make}, {id: b, run: [true], depends_on: [a], phase: x}]");
    assert_eq!((format, ids(&tasks)), (Format::Jobfile, vec!["a", "b"]));
    assert_eq!(
        import("tasks: [{id: a, prompt: Hello, model: m}]").0,
        Format::Jobfile
    );
}

#[test]
fn what_is_none_of_the_formats_is_refused_with_those_there_are() {
    let text = faults("{\"orchestrator\": {\"max_workers\": 5}}");
    assert!(
        text.starts_with("file:1:1: this looks like no format that can be imported"),
        "{text}"
    );
    assert!(text.contains("--format says which"), "{text}");
    assert!(faults("[1, 2]").contains("no format"));
}

#[test]
fn every_fault_is_named_with_its_line_and_column() {
    let text = r#"{"version": "3.0", "tasks": [
  {"id": "a b", "prompt": "x", "priority": "urgent"},
  {"prompt": "no id"},
  {"id": "c", "status": "lost", "parallel_safe": "maybe"},
  {"id": "d", "prompt": "x", "depends_on": ["c", "c"], "swarm": {"timeot": 5}},
  {"id": "c", "prompt": "x"}
]}"#;
    let text = match read(
        text,
        "q.json",
        &Options {
            format: Some(Format::QueueJson),
            ..Options::default()
        },
        NOW.parse().unwrap(),
    ) {
        Ok(_) => panic!("no fault was found"),
        Err(faults) => faults.to_string(),
    };
    for expected in [
        "q.json:1:13: `version` is 3.0: of queue.json only 1.0 is read",
        "q.json:2:10: `id`: 'a b' is not an id",
        "q.json:2:44: `priority`: 'urgent' is not a priority",
        "q.json:3:3: the task has no `id`",
        "q.json:4:3: the task has nothing to do: it has no `prompt`",
        "q.json:4:25: `status`: 'lost' is none of pending, not_started, queued",
        "q.json:4:50: `parallel_safe`: 'maybe' is neither true nor false",
        "q.json:5:50: 'c' is listed before",
        "q.json:5:66: unknown field `timeot`",
        "did you mean `timeout`?",
        "q.json:6:10: the id 'c' is that of the task in line 4 too",
    ] {
        assert!(text.contains(expected), "{expected}\nis not in\n{text}");
    }
}
