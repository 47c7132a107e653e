//! What people and scripts are told when something is wrong.

use std::{
    io::Read as _,
    net::TcpListener,
    process::{Command, Stdio},
    time::Instant,
};

use swarm_proto::v1::TaskState;

use crate::fake::{self, Fake};

/// An address at which nothing listens.
fn nowhere() -> String {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .to_string()
}

fn swarmctl(args: &[&str]) -> fake::Ended {
    fake::run(
        Command::new(env!("CARGO_BIN_EXE_swarmctl"))
            .env_remove("SWARM_COORDINATOR")
            .args(args),
        "",
    )
}

#[test]
fn an_unreachable_coordinator_is_told_at_once() {
    let nowhere = nowhere();
    let started = Instant::now();
    for args in [
        &["list"][..],
        &["events"],
        &["submit", "--", "true"],
        &["status", "-w"],
    ] {
        let ended = swarmctl(&[&["--coordinator", &nowhere], args].concat());
        assert_eq!((ended.code, ended.stdout.as_str()), (69, ""), "{args:?}");
        assert_eq!(
            ended.stderr,
            format!(
                "error: cannot reach the coordinator at {nowhere}: connection refused\n\
                 help: is it running? start one with: coordinator --data-dir …, or try everything with: swarmctl dev\n"
            )
        );
    }
    assert!(
        started.elapsed().as_secs() < 20,
        "a refused first connection was tried again"
    );
}

#[test]
fn only_wait_and_followed_events_wait_for_the_first_connection() {
    let nowhere = nowhere();
    let ended = swarmctl(&["wait", "x", "--timeout", "0.2s", "--coordinator", &nowhere]);
    assert_eq!(ended.code, 5);
    assert!(
        ended.stderr.starts_with("cannot reach the coordinator"),
        "{}",
        ended.stderr
    );
    assert!(
        ended.stderr.contains("connection refused; trying again\n"),
        "{}",
        ended.stderr
    );
}

#[test]
fn an_answer_that_stays_lost_is_told_after_the_time_for_it() {
    let fake = Fake::start(|world| world.lost_answers = usize::MAX);
    let ended = fake.ctl(&["status", "--retry-for", "0.3s"]);
    assert_eq!(ended.code, 69);
    assert!(ended.stderr.contains("the connection broke"), "{}", ended.stderr);
    let before = fake.world().lost_answers;
    assert_eq!(fake.ctl(&["--retry-for", "0s", "status"]).code, 69);
    assert_eq!(before - fake.world().lost_answers, 1);
}

#[test]
fn unknown_things_are_not_found() {
    let fake = Fake::start(|_| {});
    for (args, help) in [
        (&["inspect", "nosuch"][..], "swarmctl list"),
        (&["logs", "nosuch"], "swarmctl list"),
        (&["job", "inspect", "nosuch"], "swarmctl job list"),
        (&["retry", "nosuch"], "swarmctl list"),
    ] {
        let ended = fake.ctl(args);
        assert_eq!(ended.code, 4, "{args:?}: {}", ended.stderr);
        assert!(
            ended.stderr.starts_with("error: ") && ended.stderr.contains(&format!("help: {help} shows")),
            "{}",
            ended.stderr
        );
    }
}

#[test]
fn wrong_usage_is_told_by_exit_code_2() {
    for args in [
        &["submit"][..],
        &["submit", "make"],
        &["submit", "--priority", "urgent", "--", "true"],
        &["submit", "--name", "x", "-f", "tasks.yaml"],
        &["submit", "--id", "bad id", "--", "true"],
        &["list", "--coordinator", "http://"],
        &["retry"],
        &["frobnicate"],
    ] {
        let ended = swarmctl(args);
        assert_eq!(ended.code, 2, "{args:?}: {}", ended.stderr);
        assert!(ended.stderr.starts_with("error: "), "{args:?}: {}", ended.stderr);
    }
}

#[test]
fn a_closed_pipe_ends_quietly() {
    let fake = Fake::start(|world| {
        for n in 0..2_000 {
            world.task(&format!("task-with-quite-a-long-name-{n}"), TaskState::Queued);
        }
    });
    let mut child = fake.command(&["list", "--limit", "0", "-o", "jsonl"]);
    let mut child = child
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut some = [0; 100];
    child.stdout.take().unwrap().read_exact(&mut some).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stderr).as_ref()
        ),
        (Some(0), "")
    );
}
