//! The output of every verb, as a table and as JSON, in golden files. After an intended change, run `UPDATE_GOLDEN=1
//! cargo test -p swarmctl --test verbs golden` and read the difference.
//!
//! A new verb is one line in `CASES`; a test says so when it is forgotten.

use std::{collections::BTreeSet, fmt::Write as _, fs, path::PathBuf};

use clap::{Command, CommandFactory as _};
use swarm_proto::v1::{
    Agent, AgentState, Attempt, AttemptOutcome, Change, Explanation, GetStatusResponse, HeldLease, HoldKind,
    Job, LeaseGranted, MemoryShare, Obstacle, Output, ProcessUsage, Queue, Rates, ResumeRequest, StateCounts,
    TaskFailed, TaskResult, TaskState, TaskSucceeded, change::What, event::Payload, hold::Scope,
    resume_request,
};
use swarmctl::args::Program;

use crate::{
    fake::{Ended, Fake, World, at, held::hold},
    terminal::stdout_on_a_terminal,
};

/// The name of a golden file, and its command line.
pub const CASES: &[(&str, &[&str])] = &[
    ("agent-drain", &["agent", "drain", "lab"]),
    ("agent-forget", &["agent", "forget", "lab"]),
    ("agent-list", &["agent", "list"]),
    ("agent-pause", &["agent", "pause", "a1"]),
    ("agent-resume", &["agent", "resume", "a2"]),
    ("agent-show", &["agent", "show", "a1"]),
    ("agent-undrain", &["agent", "undrain", "attic"]),
    ("cancel", &["cancel", "train", "fetch"]),
    ("cancel-filter", &["cancel", "--state", "queued,running", "--yes"]),
    ("cancel-dry-run", &["cancel", "--all", "--dry-run"]),
    ("config-list", &["config", "list"]),
    ("doctor", &["doctor"]),
    ("drain", &["drain", "lab", "--timeout", "5m"]),
    ("events", &["events"]),
    ("explain", &["explain", "train"]),
    ("export", &["export", "--job", "nightly"]),
    ("import", &["import", "--dry-run", "-"]),
    ("inspect", &["inspect", "build"]),
    ("inspect-job", &["inspect", "nightly"]),
    ("job-list", &["job", "list"]),
    ("job-show", &["job", "show", "nightly"]),
    ("lease-release", &["lease", "release", "serve"]),
    ("list", &["list"]),
    ("list-fields", &["list", "--fields", "state,task_id,spec.labels"]),
    ("list-wide", &["list", "-o", "wide", "--newest", "--limit", "2"]),
    ("logs", &["logs", "build"]),
    ("pause", &["pause", "--reason", "moving house"]),
    ("queue-limit", &["queue", "limit", "slow", "3"]),
    ("queue-list", &["queue", "list"]),
    ("queue-pause", &["queue", "pause", "default"]),
    ("queue-resume", &["queue", "resume", "slow"]),
    ("queue-show", &["queue", "show", "slow"]),
    ("resume", &["resume", "--queue", "slow"]),
    ("remove", &["remove", "build"]),
    ("retry", &["retry", "build"]),
    (
        "retry-filter",
        &["retry", "--failed", "--job", "nightly", "--yes"],
    ),
    ("run", &["run", "-n", "--id", "new", "--", "echo", "hi"]),
    ("status", &["status"]),
    ("stop", &["stop", "--yes", "--reason", "wrong data"]),
    ("submit", &["submit", "--id", "new", "--", "echo", "hi"]),
    ("undrain", &["undrain", "attic"]),
    ("wait", &["wait", "nightly", "--timeout", "30s"]),
];

/// The standard input of the cases that read it.
const STDIN: &str = r#"{"version": "1.0", "tasks": [
  {"id": "survey", "prompt": "Survey the field", "min_budget": 0.05, "max_budget": 0.1, "status": "pending"},
  {"id": "report", "prompt": "Write it up", "depends_on": ["survey"], "status": "pending"}
], "completed": [], "failed": []}"#;

/// Texts that depend on this machine: its user, and the paths of doctor's tools.
pub const ENVIRONMENT: &[(&str, &str)] = &[("SWARM_ACTOR", "ann@desk"), ("PATH", "/bin")];

/// Verbs without a golden file, with the reason.
const EXCEPTIONS: &[(&str, &str)] = &[
    ("bench", "what it prints is measured"),
    ("completions", "a script as the shell wants it"),
    ("dev", "it starts programs, and tests of its own look at it"),
    ("man", "the manual has what --help has"),
];

/// Cases with events, whose lines are not bounded by the terminal's width.
const EVENTS: &[&str] = &["events", "inspect"];

/// A job that went wrong, a task that waits and one that runs, two agents, and a paused queue.
fn world(world: &mut World) {
    world.jobs.push(Job {
        job_id: "nightly".into(),
        name: "Nightly build".into(),
        labels: [("team".to_owned(), "infra".to_owned())].into(),
        task_count: 3,
        create_time: at(1),
        ..Default::default()
    });
    for (id, state) in [
        ("fetch", TaskState::Succeeded),
        ("build", TaskState::Failed),
        ("test", TaskState::Skipped),
        ("train", TaskState::Queued),
        ("serve", TaskState::Running),
    ] {
        world.task(id, state);
    }
    for task in &mut world.tasks[..3] {
        task.job_id = "nightly".into();
        task.end_time = at(20);
    }
    let attempt = |number, outcome: AttemptOutcome, agent: &str| Attempt {
        attempt: number,
        agent_id: agent.into(),
        outcome: outcome.into(),
        start_time: at(10 * u64::from(number)),
        end_time: at(10 * u64::from(number) + 5),
        ..Default::default()
    };
    let [fetch, build, test, train, serve] = &mut world.tasks[..] else {
        panic!("five tasks")
    };
    fetch.attempts = vec![attempt(1, AttemptOutcome::Succeeded, "a1")];
    (fetch.attempt_count, fetch.start_time) = (1, at(10));
    build.attempts = vec![
        attempt(1, AttemptOutcome::Lost, "a2"),
        attempt(2, AttemptOutcome::Failed, "a1"),
    ];
    build.attempts[0].message = "the agent was not heard of for 90s, which is longer than its lease".into();
    build.attempts[1].message = "make: *** [all] Error 2".into();
    build.attempts[1].exit_code = Some(2);
    (build.attempt_count, build.start_time) = (2, at(20));
    build.reason = "1 of 1 tries failed: exit code 2".into();
    build.result = Some(TaskResult {
        attempt: 2,
        output: Some(Output {
            stdout: b"compiling\nlinking\n".to_vec(),
            stderr: b"no rule to make target\n".to_vec(),
            stdout_bytes: 18,
            stderr_bytes: 23,
            ..Default::default()
        }),
    });
    test.reason = "because build did not succeed".into();
    let spec = train.spec.as_mut().unwrap();
    spec.name = "Train the model on everything that was collected last year".into();
    spec.queue = "slow".into();
    spec.priority = 50;
    spec.labels = [
        ("gpu".to_owned(), "a100".to_owned()),
        ("team".to_owned(), "ml".to_owned()),
    ]
    .into();
    serve.attempts = vec![Attempt {
        end_time: None,
        ..attempt(1, AttemptOutcome::Running, "a1")
    }];
    (serve.attempt_count, serve.start_time) = (1, at(10));

    for (id, name, state) in [
        ("a1", "lab", AgentState::Online),
        ("a2", "attic", AgentState::Draining),
    ] {
        world.agents.push(Agent {
            agent_id: id.into(),
            name: name.into(),
            labels: [("os".to_owned(), "linux".to_owned())].into(),
            slots: 4,
            version: "0.1.0".into(),
            state: state.into(),
            register_time: at(2),
            seen_time: at(30),
            executors: vec!["command".into()],
            ..Default::default()
        });
    }
    world.agents[0].leases.push(HeldLease {
        task_id: "serve".into(),
        attempt: 1,
        grant_time: at(10),
        expire_time: at(100),
    });
    let drained = hold(
        HoldKind::Drain,
        Some(Scope::AgentId("a2".into())),
        "bob@lab",
        "a new disk",
    );
    world.agents[1].hold = Some(drained.clone());
    let paused = hold(HoldKind::Pause, Some(Scope::Queue("slow".into())), "ann@desk", "");
    for (name, hold, queued, running) in [("default", None, 0, 1), ("slow", Some(paused.clone()), 1, 0)] {
        world.held.queues.push(Queue {
            name: name.into(),
            max_running: hold.is_some().then_some(2),
            hold,
            counts: Some(StateCounts {
                queued,
                running,
                ..Default::default()
            }),
        });
    }
    world.held.holds = vec![paused, drained];
    world.held.status = GetStatusResponse {
        oldest_queued_time: at(0),
        rates: Some(Rates {
            submitted: 1234.5,
            granted: 1021.7,
            succeeded: 998.6,
            failed: 0.016,
        }),
        journal_seq: 1_234_567,
        journal_lag: 1024,
        unmatched: 1,
        process: Some(ProcessUsage {
            cpu_time: Some(prost_types::Duration {
                seconds: 123_456,
                nanos: 0,
            }),
            resident_bytes: 1_234_567_890,
            peak_resident_bytes: 2_345_678_901,
        }),
        journal_bytes: 1_073_700_000,
        store_bytes: 4_321_000_000,
        free_bytes: Some(98_765_432_100),
        memory: vec![MemoryShare {
            purpose: "state".into(),
            bytes: 7_654_321,
            limit_bytes: 12_345_678_900,
            refused: 1,
        }],
        wall_clock_ahead_ms: -7_654_000,
        ..Default::default()
    };
    let resume = Change {
        what: Some(What::Resume(ResumeRequest {
            scope: Some(resume_request::Scope::Queue("slow".into())),
            ..Default::default()
        })),
        or_wait: false,
    };
    world.held.explanations.push(Explanation {
        task_id: "train".into(),
        state: TaskState::Queued.into(),
        summary: "queue slow is paused by ann@desk since 2026-01-02 03:04:05Z".into(),
        change: Some(resume.clone()),
        obstacles: vec![Obstacle {
            kind: "queue_paused".into(),
            message: "queue slow is paused by ann@desk since 2026-01-02 03:04:05Z".into(),
            change: Some(resume),
            ..Default::default()
        }],
        agent_count: 2,
        ..Default::default()
    });
    world.event("fetch", "nightly", Payload::LeaseGranted(LeaseGranted::default()));
    world.event(
        "fetch",
        "nightly",
        Payload::TaskSucceeded(TaskSucceeded::default()),
    );
    let failed = TaskFailed {
        reason: "1 of 1 tries failed: exit code 2".into(),
    };
    world.event("build", "nightly", Payload::TaskFailed(failed));
    // A submitted task succeeds as soon as its events are followed.
    world.then(|world| {
        if world.tasks.iter().any(|task| task.task_id == "new") {
            world.becomes("new", TaskState::Succeeded);
        }
    });
}

fn file(name: &str) -> PathBuf {
    [
        env!("CARGO_MANIFEST_DIR"),
        "tests/verbs/golden",
        &format!("{name}.txt"),
    ]
    .iter()
    .collect()
}

/// The world of a case. Doctor compares clocks, so it gets the machine's.
pub fn fake(args: &[&str]) -> Fake {
    let is_on_time = args.contains(&"doctor");
    Fake::start(move |all| {
        world(all);
        all.held.is_on_time = is_on_time;
    })
}

/// A run as text for a golden file.
fn told(args: &[&str]) -> String {
    let fake = fake(args);
    let Ended { code, stdout, stderr } = fake.ctl_with(args, STDIN, ENVIRONMENT);
    let words: Vec<String> = args
        .iter()
        .map(|word| match word.contains(' ') {
            true => format!("'{word}'"),
            false => (*word).to_owned(),
        })
        .collect();
    let mut told = format!("$ swarmctl {}\n{stdout}", words.join(" "));
    for line in stderr.lines() {
        let _ = writeln!(told, "stderr: {line}");
    }
    if code != 0 {
        let _ = writeln!(told, "exit code: {code}");
    }
    told.replace(&fake.address.to_string(), "127.0.0.1:PORT")
}

/// What a terminal shows: narrow, wide, and narrow with colours, whose escape bytes are made visible.
fn pictures(args: &[&str]) -> String {
    let mut pictures = String::new();
    for (columns, color) in [(80, "never"), (200, "never"), (80, "always")] {
        let fake = fake(args);
        let mut command = fake.command(&[&["--color", color][..], args].concat());
        command.envs(ENVIRONMENT.iter().copied());
        let shown = stdout_on_a_terminal(command, columns);
        let shown = shown
            .replace('\r', "")
            .replace("\u{1b}[", "␛")
            .replace(&fake.address.to_string(), "127.0.0.1:PORT");
        let with = if color == "always" { " with colours" } else { "" };
        let _ = write!(pictures, "\n--- {columns} columns{with}\n{shown}");
    }
    pictures
}

#[test]
fn every_verb_prints_what_its_golden_file_has() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut differing = Vec::new();
    for (name, args) in CASES {
        let mut now = told(args);
        if !args.contains(&"-o") {
            // The words after `--` are the task's.
            now.push_str(&format!("\n{}", told(&[&["-o", "json"][..], args].concat())));
            now.push_str(&pictures(args));
        }
        let path = file(name);
        if update {
            fs::write(path, now).unwrap();
            continue;
        }
        let before = fs::read_to_string(&path).unwrap_or_default();
        if now != before {
            differing.push(format!("--- {name} was\n{before}+++ {name} is\n{now}"));
        }
    }
    assert!(
        differing.is_empty(),
        "{}\nif that is meant: UPDATE_GOLDEN=1 cargo test -p swarmctl --test verbs golden",
        differing.join("\n")
    );
}

/// The verbs below a command, each with its words.
pub fn verbs(command: &Command, above: &str, found: &mut BTreeSet<String>) {
    let shown = |verb: &&Command| verb.get_name() != "help" && !verb.is_hide_set();
    for verb in command.get_subcommands().filter(shown) {
        let words = format!("{above}{}", verb.get_name());
        if verb.has_subcommands() {
            verbs(verb, &format!("{words} "), found);
        } else {
            found.insert(words);
        }
    }
}

#[test]
fn every_verb_has_a_golden_file() {
    let mut left = BTreeSet::new();
    verbs(&Program::command(), "", &mut left);
    for (verb, _reason) in EXCEPTIONS {
        assert!(
            left.remove(*verb),
            "there is no verb {verb}: no exception is needed"
        );
    }
    let all = left.clone();
    for (name, args) in CASES {
        let typed = args.join(" ");
        let verb = all
            .iter()
            .filter(|verb| typed == **verb || typed.starts_with(&format!("{verb} ")))
            .max_by_key(|verb| verb.len());
        left.remove(verb.unwrap_or_else(|| panic!("{name} is of no verb: {typed}")));
    }
    assert!(left.is_empty(), "verbs without a line in CASES: {left:?}");
    let files: BTreeSet<String> = fs::read_dir(file("x").parent().unwrap())
        .unwrap()
        .map(|entry| {
            entry
                .unwrap()
                .path()
                .file_stem()
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    let cases: BTreeSet<String> = CASES.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(files, cases);
}

#[test]
fn no_line_is_broken_or_too_long_on_sixty_columns() {
    let mut long = Vec::new();
    for (name, args) in CASES {
        if EVENTS.contains(name) || args.contains(&"wide") {
            continue;
        }
        let fake = fake(args);
        let mut command = fake.command(args);
        command.envs(ENVIRONMENT.iter().copied()).env("NO_COLOR", "1");
        let shown = stdout_on_a_terminal(command, 60);
        assert!(!shown.contains('\u{1b}'), "{name}: {shown:?}");
        let lines = shown.lines().filter(|line| line.chars().count() > 60);
        long.extend(lines.map(|line| format!("{name}: {line}")));
    }
    assert!(long.is_empty(), "{}", long.join("\n"));
}
