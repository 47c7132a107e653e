//! Words of strangers in logs: a line stays one line, and nothing in it steers a terminal.

use nix::sys::signal::Signal;
use swarm_proto::v1::{NewTask, TaskState, task_spec::Work};

use crate::harness::{
    PATIENCE,
    agent::RealAgent,
    client::{shell_task, with},
    coordinator::Coordinator,
};

/// A forged line, a title, a cleared screen, C1 characters, and text written from right to left.
const HOSTILE: &str =
    "no-such\n2026-01-01T00:00:00Z ERROR forged\r\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}2J\u{7f}\u{202e}x";

fn hostile(task_id: &str, program: &str) -> NewTask {
    with(shell_task(task_id, "true"), |spec| {
        spec.name = HOSTILE.to_owned();
        let Some(Work::Command(command)) = &mut spec.work else {
            panic!("a shell task runs a command");
        };
        command.argv = vec![program.to_owned(), HOSTILE.to_owned()];
        command.env.insert("HOSTILE".to_owned(), HOSTILE.to_owned());
    })
}

/// The logs of an agent and a coordinator that had to do with such words.
fn logs(format: &str) -> [String; 2] {
    let flags = ["--log-format", format, "--log-level", "trace"];
    let mut coordinator = Coordinator::with(&flags);
    let mut agent = RealAgent::start(&coordinator, "a", &[&flags[..], &["--slots", "1"]].concat());
    let client = coordinator.client();
    client.submit(vec![hostile("absent", HOSTILE), hostile("present", "true")]);
    client.wait_for_state("present", TaskState::Succeeded);
    client.wait_for_event("absent", "attempt_failed");
    let words = ["pause", "--reason", HOSTILE];
    coordinator.swarmctl(&words);
    agent.program().signal(Signal::SIGTERM);
    assert_eq!(agent.program().wait(PATIENCE), 0);
    assert_eq!(coordinator.stop(PATIENCE), 0);
    [agent.program().log(), coordinator.program().log()]
}

#[track_caller]
fn assert_harmless(log: &str) {
    let bad = log
        .chars()
        .find(|c| c.is_control() && *c != '\n' || *c == '\u{202e}');
    assert_eq!(bad, None, "{log}");
}

#[test]
fn what_a_stranger_says_neither_ends_a_line_nor_steers_a_terminal() {
    let logs = logs("text");
    assert!(logs[0].contains(r"no-such\n"), "{}", logs[0]);
    for log in logs {
        assert_harmless(&log);
        for line in log.lines() {
            let begins = line.starts_with("20") && line.contains('T') && !line.contains("Z ERROR forged\n");
            assert!(
                begins && !line.starts_with("2026-01-01T00:00:00Z"),
                "{line}\n{log}"
            );
        }
    }
}

#[test]
fn the_same_in_json_has_the_words_as_they_were() {
    let logs = logs("json");
    let mut has_words = false;
    for log in &logs {
        assert_harmless(log);
        for line in log.lines() {
            let line: serde_json::Value =
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            has_words |= line.to_string().contains("forged");
        }
    }
    assert!(has_words, "{}", logs[0]);
}
