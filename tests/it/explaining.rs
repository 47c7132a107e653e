//! Every task that is not running has an explanation that is true: its change is made, as it is written, and the
//! task runs.

use std::{fs, path::Path};

use serde_json::Value;
use swarm_proto::v1::{
    AttemptReport, LeaseRef, NewTask, Prompt, Released, Requirements, Retry, TaskState,
    attempt_report::Outcome, task_spec::Work,
};

use crate::harness::{
    agent::RealAgent,
    client::{Client, after, duration, quoted, shell_task, with},
    coordinator::Coordinator,
    fake_agent::FakeAgent,
    wait_until,
};

/// The explanation of a task as a script sees it. It always says something.
#[track_caller]
fn explain(coordinator: &Coordinator, task: &str) -> Value {
    let ended = coordinator.swarmctl(&["explain", task, "-o", "json"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let explanation: Value = serde_json::from_str(&ended.stdout).unwrap();
    let summary = explanation["summary"].as_str().unwrap_or_default();
    assert!(!summary.is_empty(), "{explanation:#}");
    explanation
}

/// The kind of the first obstacle.
fn kind(explanation: &Value) -> &str {
    explanation["obstacles"][0]["kind"].as_str().unwrap_or_default()
}

/// Does what an explanation says: runs swarmctl with these words, or starts an agent with these flags. A started
/// agent has to be kept.
#[track_caller]
fn follow(coordinator: &Coordinator, explanation: &Value) -> Option<RealAgent> {
    let change = explanation["change"].as_str().unwrap_or_default();
    let words: Vec<&str> = change.split_whitespace().collect();
    match words.as_slice() {
        ["swarmctl", words @ ..] => {
            let ended = coordinator.swarmctl(words);
            assert_eq!(ended.code, 0, "{change}: {}", ended.stderr);
            None
        }
        ["agent", "--coordinator", _, flags @ ..] => Some(RealAgent::start(coordinator, "helper", flags)),
        _ => panic!("nothing to do: {explanation:#}"),
    }
}

/// Asks why a task does not run, expects this kind of obstacle, makes the change, and sees the task run.
#[track_caller]
fn explained_and_changed(coordinator: &Coordinator, task: &str, expected: &str) {
    let explanation = explain(coordinator, task);
    assert_eq!(kind(&explanation), expected, "{task}: {explanation:#}");
    let _agent = follow(coordinator, &explanation);
    coordinator.client().wait_for_state(task, TaskState::Succeeded);
}

fn requiring(task: NewTask, term: &str) -> NewTask {
    with(task, |spec| {
        spec.requirements = Some(Requirements {
            labels: vec![term.to_owned()],
        });
    })
}

/// A task that runs until the gate is there.
fn gated(id: &str, gate: &Path) -> NewTask {
    shell_task(
        id,
        &format!("until test -e {}; do sleep 0.02; done", quoted(gate)),
    )
}

fn wait_for_running(client: &Client, id: &str) {
    client.wait_for_state(id, TaskState::Running);
}

#[test]
fn without_an_agent_one_is_to_be_started() {
    let coordinator = Coordinator::start();
    coordinator.client().submit(vec![shell_task("a", "true")]);
    explained_and_changed(&coordinator, "a", "no_agent");
}

#[test]
fn what_every_agent_lacks_is_named_and_can_be_given() {
    let coordinator = Coordinator::start();
    let client = coordinator.client();
    let _agent = RealAgent::start(
        &coordinator,
        "plain",
        &["--queues", "default", "--label", "gpu=h100"],
    );
    client.submit(vec![shell_task("first", "true")]);
    client.wait_for_state("first", TaskState::Succeeded);
    let night = with(shell_task("queue", "true"), |spec| {
        spec.queue = "night".to_owned()
    });
    for (task, lacks) in [
        (requiring(shell_task("label", "true"), "disk"), "label"),
        (requiring(shell_task("value", "true"), "gpu=a100"), "label"),
        (night, "queue"),
    ] {
        let id = task.task_id.clone();
        client.submit(vec![task]);
        let explanation = explain(&coordinator, &id);
        assert_eq!(explanation["agents"][0]["kind"], lacks, "{explanation:#}");
        explained_and_changed(&coordinator, &id, "no_match");
    }
}

#[test]
fn a_shard_that_nobody_takes_is_named_and_can_be_taken() {
    let coordinator = Coordinator::start();
    let client = coordinator.client();
    let _agent = RealAgent::start(&coordinator, "half", &["--shard-count", "2", "--shard-id", "0"]);
    let ids: Vec<String> = (0..16).map(|n| format!("t{n}")).collect();
    client.submit(ids.iter().map(|id| shell_task(id, "true")).collect());
    let waits = |id: &&String| kind(&explain(&coordinator, id)) == "no_match";
    let of_the_other: Vec<&String> = ids.iter().filter(waits).collect();
    assert!((1..16).contains(&of_the_other.len()), "{of_the_other:?}");
    let explanation = explain(&coordinator, of_the_other[0]);
    assert_eq!(explanation["agents"][0]["kind"], "shard", "{explanation:#}");
    let _other = follow(&coordinator, &explanation);
    for id in &ids {
        client.wait_for_state(id, TaskState::Succeeded);
    }
}

#[test]
fn every_hold_is_named_with_what_lifts_it() {
    let coordinator = Coordinator::start();
    let client = coordinator.client();
    let mut agent = RealAgent::start(&coordinator, "one", &[]);
    let id = |agent: &mut RealAgent| {
        wait_until("the agent has registered", || {
            agent.program().log().contains("agent_id=")
        });
        let log = agent.program().log();
        let after = log.split("agent_id=\"").nth(1).unwrap();
        after.split('"').next().unwrap().to_owned()
    };
    let id = id(&mut agent);
    let holds: [(&[&str], &str); 5] = [
        (&["pause", "--reason", "a test"], "paused"),
        (&["pause", "--queue", "default"], "queue_paused"),
        (&["stop", "--yes"], "stopped"),
        (&["pause", "--agent", &id], "no_match"),
        (&["drain", &id, "--timeout", "1h"], "no_match"),
    ];
    for (index, (order, expected)) in holds.into_iter().enumerate() {
        let ended = coordinator.swarmctl(order);
        assert_eq!(ended.code, 0, "{order:?}: {}", ended.stderr);
        let task = format!("t{index}");
        client.submit(vec![shell_task(&task, "true")]);
        explained_and_changed(&coordinator, &task, expected);
    }
}

#[test]
fn limits_and_busy_agents_are_named() {
    let coordinator = Coordinator::start();
    let client = coordinator.client();
    let gate = coordinator.dir().join("gate");
    let _agent = RealAgent::start(&coordinator, "one", &["--slots", "2"]);

    let ended = coordinator.swarmctl(&["queue", "limit", "night", "1"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let night = |task| with(task, |spec| spec.queue = "night".to_owned());
    client.submit(vec![night(gated("holder", &gate))]);
    wait_for_running(&client, "holder");
    client.submit(vec![night(shell_task("second", "true"))]);
    explained_and_changed(&coordinator, "second", "queue_limit");

    client.submit(vec![gated("other", &gate)]);
    wait_for_running(&client, "other");
    client.submit(vec![shell_task("third", "true")]);
    let explanation = explain(&coordinator, "third");
    assert_eq!(explanation["agents"][0]["kind"], "busy", "{explanation:#}");
    explained_and_changed(&coordinator, "third", "turn");
    fs::write(&gate, "").unwrap();
    client.wait_for_state("holder", TaskState::Succeeded);
}

#[test]
fn what_goes_away_by_itself_says_when_or_after_what() {
    let coordinator = Coordinator::start();
    let client = coordinator.client();
    let gate = coordinator.dir().join("gate");
    let _agent = RealAgent::start(&coordinator, "one", &["--slots", "4"]);
    let grouped = |task| with(task, |spec| spec.exclusive_group = "repo".to_owned());
    let delayed = with(shell_task("delayed", "true"), |spec| {
        spec.delay = Some(duration(std::time::Duration::from_secs(4)));
    });
    client.submit(vec![
        grouped(gated("holder", &gate)),
        with(shell_task("blocked", "true"), |spec| {
            spec.depends_on = after(["holder"])
        }),
        with(shell_task("chained", "true"), |spec| {
            spec.depends_on = after(["blocked"])
        }),
        delayed,
    ]);
    let explanation = explain(&coordinator, "delayed");
    assert_eq!(kind(&explanation), "time", "{explanation:#}");
    assert!(
        explanation["obstacles"][0]["until"].is_string(),
        "{explanation:#}"
    );

    wait_for_running(&client, "holder");
    client.submit(vec![grouped(shell_task("grouped", "true"))]);
    let explanation = explain(&coordinator, "grouped");
    assert_eq!(kind(&explanation), "exclusive_group", "{explanation:#}");
    assert_eq!(explanation["obstacles"][0]["task_id"], "holder");
    let explanation = explain(&coordinator, "chained");
    let told: Vec<(&str, u64)> = explanation["obstacles"]
        .as_array()
        .unwrap()
        .iter()
        .map(|each| {
            (
                each["kind"].as_str().unwrap(),
                each["depth"].as_u64().unwrap_or(0),
            )
        })
        .collect();
    assert_eq!(
        told,
        [("dependency", 0), ("dependency", 1), ("running", 2)],
        "{explanation:#}"
    );
    assert_eq!(kind(&explain(&coordinator, "holder")), "running");
    fs::write(&gate, "").unwrap();
    for task in ["holder", "blocked", "chained", "grouped", "delayed"] {
        client.wait_for_state(task, TaskState::Succeeded);
    }
    assert_eq!(kind(&explain(&coordinator, "holder")), "ended");
}

#[test]
fn failed_cancelled_and_skipped_tasks_say_what_brings_them_back() {
    let coordinator = Coordinator::start();
    let client = coordinator.client();
    let mended = coordinator.dir().join("mended");
    let no_retry = |spec: &mut swarm_proto::v1::TaskSpec| {
        spec.retry = Some(Retry {
            max_retries: Some(0),
            ..Retry::default()
        });
    };
    let fails = format!("test -e {}", quoted(&mended));
    client.submit(vec![
        with(shell_task("failed", &fails), no_retry),
        with(shell_task("skipped", "true"), |spec| {
            spec.depends_on = after(["failed"])
        }),
        shell_task("cancelled", "true"),
    ]);
    client.cancel("cancelled");
    let _agent = RealAgent::start(&coordinator, "one", &[]);
    client.wait_for_state("skipped", TaskState::Skipped);
    fs::write(&mended, "").unwrap();
    // What brings the skipped one back is a retry of the one that failed.
    for task in ["skipped", "cancelled"] {
        explained_and_changed(&coordinator, task, "ended");
    }
    client.wait_for_state("failed", TaskState::Succeeded);

    fs::remove_file(&mended).unwrap();
    client.submit(vec![with(shell_task("again", &fails), no_retry)]);
    client.wait_for_state("again", TaskState::Failed);
    fs::write(&mended, "").unwrap();
    explained_and_changed(&coordinator, "again", "ended");
}

#[test]
fn a_task_that_failed_waits_for_its_backoff_and_one_that_was_refused_for_another_agent() {
    let coordinator = Coordinator::start();
    let client = coordinator.client();
    let slow = with(shell_task("flaky", "test $SWARM_ATTEMPT -gt 1"), |spec| {
        let backoff = Some(duration(std::time::Duration::from_secs(3)));
        spec.retry = Some(Retry {
            max_retries: Some(5),
            initial_backoff: backoff,
            max_backoff: backoff,
        });
    });
    let willing = RealAgent::start(&coordinator, "willing", &[]);
    client.submit(vec![slow]);
    client.wait_for_event("flaky", "attempt_failed");
    let explanation = explain(&coordinator, "flaky");
    assert!(
        ["backoff", "running", "turn", "ended"].contains(&kind(&explanation)),
        "{explanation:#}"
    );
    client.wait_for_state("flaky", TaskState::Succeeded);
    drop(willing);

    let mut picky = FakeAgent::register(&coordinator, "picky");
    client.submit(vec![shell_task("unwanted", "true")]);
    let lease = picky.claim_now(1).assignments.remove(0).lease.unwrap();
    assert!(picky.report(vec![refusal(&lease)])[0].accepted);
    let explanation = explain(&coordinator, "unwanted");
    assert_eq!(explanation["agents"][0]["kind"], "avoided", "{explanation:#}");
    assert!(explanation["agents"][0]["until"].is_string());
    assert!(picky.claim_now(1).assignments.is_empty());
    let _agent = RealAgent::start(&coordinator, "willing", &[]);
    client.wait_for_state("unwanted", TaskState::Succeeded);
}

fn refusal(lease: &LeaseRef) -> AttemptReport {
    AttemptReport {
        lease: Some(lease.clone()),
        outcome: Some(Outcome::Released(Released {
            reason: "not here".to_owned(),
            refused: true,
        })),
        output: None,
    }
}

#[test]
fn a_lost_agent_is_named_and_another_one_takes_its_place() {
    let coordinator = Coordinator::with(&["--lease-ttl", "1s"]);
    let client = coordinator.client();
    let mut agent = RealAgent::start(&coordinator, "far", &["--label", "disk=ssd"]);
    client.submit(vec![shell_task("first", "true")]);
    client.wait_for_state("first", TaskState::Succeeded);
    agent.program().kill();
    client.submit(vec![requiring(shell_task("a", "true"), "disk=ssd")]);
    wait_until("the agent counts as lost", || {
        explain(&coordinator, "a")["agents"][0]["kind"] == "lost"
    });
    explained_and_changed(&coordinator, "a", "no_match");
}

#[test]
fn a_prompt_says_that_no_agent_runs_prompts() {
    let coordinator = Coordinator::start();
    let _agent = RealAgent::start(&coordinator, "one", &[]);
    let prompt = with(shell_task("ask", "true"), |spec| {
        spec.work = Some(Work::Prompt(Prompt {
            text: "Why?".to_owned(),
            model: String::new(),
        }));
    });
    wait_until("the agent is there", || coordinator.client().status().slots > 0);
    let submitted = coordinator.client().submit(vec![prompt]);
    assert_eq!(submitted.unmatched.len(), 1, "{submitted:?}");
    let explanation = explain(&coordinator, "ask");
    assert_eq!(kind(&explanation), "no_match", "{explanation:#}");
    assert_eq!(explanation["agents"][0]["kind"], "executor", "{explanation:#}");
    assert!(explanation["change"].as_str().unwrap_or_default().is_empty());
}
