//! Import and export with real coordinators: what one exports another takes, and itself takes for what it has.

use std::fs;

use crate::harness::{agent::RealAgent, coordinator::Coordinator};

/// Black Swarm's own example, and a task of each kind that its successor knows.
const QUEUE: &str = r#"{
  "version": "1.0",
  "api_endpoint": "http://127.0.0.1:8420",
  "tasks": [
    {
      "id": "task_001",
      "type": "grind",
      "prompt": "Summarize the repository changes",
      "min_budget": 0.05,
      "max_budget": 0.10,
      "intensity": "medium",
      "status": "pending",
      "depends_on": [],
      "parallel_safe": true,
      "model": "llama-3.1-8b-instant"
    },
    {"id": "task_002", "mode": "local", "command": "echo two", "parallel_safe": false, "depends_on": ["task_000"]},
    {"id": "task_003", "prompt": "Audit safety rules 😀", "depends_on": ["task_002"], "notes": ["a", {"b": 0.1}]}
  ],
  "completed": [{"id": "task_000", "prompt": "Done before", "status": "completed"}],
  "failed": []
}
"#;

/// One of everything that a task can say.
const EVERYTHING: &str = r#"
name: everything
tasks:
  - id: all
    name: all of it
    run: [cat, "-"]
    stdin_base64: /wABCg==
    cwd: /tmp
    depends_on: [{task: before, condition: finished}]
    queue: slow
    priority: 7
    labels: {team: a b}
    retry: {max_retries: 1, initial_backoff: 1500ms, max_backoff: 1m}
    timeout: 90s
    deadline: 2d
    requires: [gpu=a100, "!spot"]
    exclusive_group: g
    shard_key: k
    metadata: {ticket: "7", amplifier.phase: implementation}
  - id: before
    run: exit 1
    retries: 0
    delay: 1h
"#;

fn path(coordinator: &Coordinator, name: &str) -> String {
    coordinator.dir().join(name).display().to_string()
}

#[test]
fn what_one_coordinator_exports_another_imports_the_same_and_itself_has_already() {
    let one = Coordinator::start();
    for (name, text, verb) in [
        ("queue.json", QUEUE, ["import"].as_slice()),
        ("everything.yaml", EVERYTHING, &["submit", "-f"]),
    ] {
        let file = path(&one, name);
        fs::write(&file, text).unwrap();
        one.swarmctl(&[verb, &[file.as_str()]].concat()).expect(0);
    }
    let exported = |coordinator: &Coordinator| coordinator.swarmctl(&["export"]).expect(0).stdout;
    let tasks = exported(&one);
    assert!(
        tasks.contains("id: task_003") && tasks.contains("id: all"),
        "{tasks}"
    );
    for format in ["jobfile", "queue.json", "amplifier", "agentvine"] {
        let file = path(&one, &format!("{format}.file"));
        one.swarmctl(&["export", &file, "--format", format]).expect(0);
        let again = one.swarmctl(&["import", &file]).expect(0);
        assert!(
            again.stderr.contains("submitted 0 of 5 tasks of "),
            "{}",
            again.stderr
        );
        let other = Coordinator::start();
        let import = other.swarmctl(&["import", &file]).expect(0);
        assert!(
            import.stderr.contains("submitted 5 of 5 tasks of "),
            "{}",
            import.stderr
        );
        assert_eq!(exported(&other), tasks, "{format}");
    }
}

#[test]
fn what_has_ended_meanwhile_is_known_in_every_export() {
    let coordinator = Coordinator::start();
    let queue = path(&coordinator, "queue.json");
    fs::write(&queue, QUEUE).unwrap();
    coordinator.swarmctl(&["import", &queue]).expect(0);
    let _agent = RealAgent::start(&coordinator, "a", &[]);
    coordinator.swarmctl(&["wait", "task_002"]).expect(0);
    for format in ["queue.json", "amplifier", "agentvine"] {
        let file = path(&coordinator, &format!("{format}.file"));
        coordinator
            .swarmctl(&["export", &file, "--format", format])
            .expect(0);
        // Another coordinator takes all but the completed task; this one knows every task already.
        let other = Coordinator::start();
        let import = other.swarmctl(&["import", &file]).expect(0);
        assert!(
            import.stderr.contains("submitted 2 of 2 tasks of "),
            "{}",
            import.stderr
        );
        let again = coordinator.swarmctl(&["import", &file]).expect(0);
        assert!(
            again.stderr.contains("submitted 0 of 2 tasks of "),
            "{}",
            again.stderr
        );
    }
    let log = coordinator
        .swarmctl(&["export", "--format", "execution_log.jsonl"])
        .expect(0);
    let steps: Vec<&str> = log
        .stdout
        .lines()
        .filter(|line| line.contains("task_002"))
        .collect();
    assert_eq!(steps.len(), 2, "{steps:?}");
    assert!(steps[0].contains("\"status\":\"in_progress\"") && steps[1].contains("\"status\":\"completed\""));
    // Its log tells what a file does not: the task is done.
    let file = path(&coordinator, "log.jsonl");
    fs::write(&file, log.stdout).unwrap();
    let import = coordinator
        .swarmctl(&["import", &queue, "--log", &file, "--dry-run"])
        .expect(0);
    assert!(!import.stdout.contains("\ntask_002"), "{}", import.stdout);
    // Prompts wait, and it is said why.
    let explained = coordinator.swarmctl(&["explain", "task_001"]).expect(0);
    assert!(explained.stdout.contains("prompt"), "{}", explained.stdout);
}
