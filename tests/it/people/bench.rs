//! `swarmctl bench` against a real coordinator: it does what it was told, counts right, and leaves nothing behind.

use std::{io::Read as _, process::Stdio};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use swarm_proto::v1::StateCounts;

use crate::harness::{coordinator::Coordinator, program::Ended, swarmctl::swarmctl_command, wait_until};

/// Runs it with `-o json`; gives what it printed.
fn bench(coordinator: &Coordinator, words: &[&str]) -> Value {
    let words = [&["bench", "--connections", "2", "-o", "json"], words].concat();
    coordinator.swarmctl(&words).expect(0).json()
}

/// The phase with this name, after a check that it has every figure.
fn phase<'v>(report: &'v Value, name: &str) -> &'v Value {
    let phases = report["phases"].as_array().unwrap();
    let phase = phases.iter().find(|phase| phase["phase"] == name);
    let phase = phase.unwrap_or_else(|| panic!("no phase {name} in {report:#}"));
    for figure in [
        "done",
        "requests",
        "seconds",
        "per_second",
        "busy",
        "lost",
        "cpu_us_each",
        "cpu_percent",
        "resident_bytes",
        "peak_resident_bytes",
    ] {
        assert!(phase[figure].is_number(), "{name} has no {figure}: {phase:#}");
    }
    for quantile in ["p50", "p99", "p999", "max"] {
        assert!(phase["latency_us"][quantile].is_u64(), "{name} has no {quantile}");
    }
    phase
}

fn names(report: &Value) -> Vec<&str> {
    let phases = report["phases"].as_array().unwrap();
    phases
        .iter()
        .map(|phase| phase["phase"].as_str().unwrap())
        .collect()
}

/// The number of tasks in each state that is not final, and of those that succeeded or were cancelled.
fn left(coordinator: &Coordinator) -> (u64, u64, u64) {
    let counts: StateCounts = coordinator.client().status().tasks.unwrap();
    let live = counts.blocked + counts.delayed + counts.queued + counts.running;
    (live, counts.succeeded, counts.cancelled)
}

#[test]
fn every_task_is_submitted_and_drained() {
    let coordinator = Coordinator::start();
    let report = bench(
        &coordinator,
        &["--tasks", "500", "--in-flight", "8", "--payload", "50"],
    );

    assert_eq!(names(&report), ["submit", "drain"]);
    let submit = phase(&report, "submit");
    assert_eq!((&submit["done"], &submit["requests"]), (&500.into(), &500.into()));
    let drain = phase(&report, "drain");
    assert_eq!(drain["done"], 500);
    // Each worker begins with a claim, and then each request completes a task.
    assert_eq!(drain["requests"], 508);
    assert_eq!(
        (&report["submitted"], &report["completed"], &report["cancelled"]),
        (&500.into(), &500.into(), &0.into())
    );
    assert!(report["journal_bytes"].as_u64() > Some(0) && report["store_bytes"].is_u64());
    assert_eq!(left(&coordinator), (0, 500, 0));
    assert_eq!(coordinator.client().status().agents.unwrap().online, 0);
}

#[test]
fn batches_make_fewer_requests() {
    let coordinator = Coordinator::start();
    let report = bench(
        &coordinator,
        &[
            "--tasks",
            "1000",
            "--batch",
            "250",
            "--in-flight",
            "2",
            "--agents",
            "1",
        ],
    );

    assert_eq!(phase(&report, "submit")["requests"], 4);
    // A claim takes a hundred at most.
    let drain = phase(&report, "drain");
    assert_eq!((&drain["done"], &drain["requests"]), (&1_000.into(), &12.into()));
    assert_eq!(left(&coordinator), (0, 1_000, 0));
}

#[test]
fn calls_that_decide_nothing_are_measured_on_request() {
    let coordinator = Coordinator::start();
    let report = bench(&coordinator, &["--echo", "--tasks", "200", "--in-flight", "4"]);

    assert_eq!(names(&report), ["echo", "submit", "drain"]);
    assert!(phase(&report, "echo")["done"].as_u64() > Some(0));
    assert_eq!(left(&coordinator), (0, 200, 0));
}

#[test]
fn what_is_not_drained_is_cancelled() {
    let coordinator = Coordinator::start();
    let report = bench(
        &coordinator,
        &["--tasks", "300", "--in-flight", "4", "--backlog", "1500"],
    );
    assert_eq!(names(&report), ["backlog", "submit", "drain"]);
    assert_eq!(
        (&report["submitted"], &report["cancelled"]),
        (&1_800.into(), &1_500.into())
    );
    assert_eq!(left(&coordinator), (0, 300, 1_500));

    let report = bench(
        &coordinator,
        &["--tasks", "20", "--in-flight", "4", "--only", "submit"],
    );
    assert_eq!(names(&report), ["submit"]);
    assert_eq!(report["cancelled"], 20);

    let report = bench(
        &coordinator,
        &["--tasks", "20", "--in-flight", "4", "--only", "drain"],
    );
    assert_eq!(names(&report), ["queue", "drain"]);
    assert_eq!(
        (&report["completed"], &report["cancelled"]),
        (&20.into(), &0.into())
    );
    assert_eq!(left(&coordinator), (0, 320, 1_520));
}

#[test]
fn what_is_kept_stays_queued_and_is_said_to() {
    let coordinator = Coordinator::start();
    let ended = coordinator
        .swarmctl(&[
            "bench",
            "--tasks",
            "30",
            "--in-flight",
            "3",
            "--only",
            "submit",
            "--keep",
        ])
        .expect(0);
    assert_eq!(left(&coordinator), (30, 0, 0));
    assert!(
        ended.stderr.contains("loading the coordinator at"),
        "{}",
        ended.stderr
    );
    assert!(ended.stderr.contains("cancel -"), "{}", ended.stderr);
    let table: Vec<&str> = ended.stdout.lines().collect();
    assert!(
        table[0].starts_with("PHASE") && table[1].starts_with("submit"),
        "{}",
        ended.stdout
    );
}

#[test]
fn idle_agents_heartbeat_and_wait_for_work() {
    let coordinator = Coordinator::with(&["--lease-ttl", "1500ms"]);
    let report = bench(&coordinator, &["--idle", "--agents", "20", "--duration", "2s"]);

    assert_eq!(names(&report), ["register", "heartbeat", "claim"]);
    assert_eq!(phase(&report, "register")["done"], 20);
    let heartbeat = phase(&report, "heartbeat");
    assert!(heartbeat["done"].as_u64() >= Some(20), "{heartbeat:#}");
    assert_eq!(heartbeat["done"], heartbeat["requests"]);
    phase(&report, "claim");
    let agents = coordinator.client().status().agents.unwrap();
    assert_eq!((agents.online, agents.lost), (0, 0));
}

#[test]
fn ctrl_c_ends_it_with_what_was_measured_and_leaves_nothing() {
    let coordinator = Coordinator::start();
    let words = ["bench", "--tasks", "100000000", "--in-flight", "2", "-o", "json"];
    let mut child = swarmctl_command(coordinator.address(), coordinator.dir(), &words)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_until("tasks are queued", || left(&coordinator).0 > 0);
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGINT).unwrap();
    let mut stdout = String::new();
    child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
    let code = child.wait().unwrap().code().unwrap();

    let stderr = String::new();
    let report = Ended { code, stdout, stderr }.expect(130).json();
    assert_eq!(report["interrupted"], true);
    assert!(phase(&report, "submit")["done"].as_u64() > Some(0));
    let (live, succeeded, cancelled) = left(&coordinator);
    assert_eq!((live, succeeded), (0, 0));
    assert_eq!(report["cancelled"], cancelled);
}

#[test]
fn what_cannot_fit_is_refused_with_what_to_write() {
    let coordinator = Coordinator::start();
    for (words, error, help) in [
        (
            &["--idle", "--agents", "5000", "--connections", "2"][..],
            "10000 requests",
            "--connections 44",
        ),
        (
            &["--in-flight", "1000", "--batch", "100", "--agents", "2"],
            "are too many for 2 agents",
            "--agents 50",
        ),
        (
            &["--batch", "10000", "--payload", "1000"],
            "at most 4 MiB",
            "--batch",
        ),
    ] {
        let words = [&["bench"], words].concat();
        coordinator.swarmctl(&words).expect_error(2, &[error], &[help]);
    }
    assert_eq!(left(&coordinator), (0, 0, 0));
}
