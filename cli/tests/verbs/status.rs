//! status: one page, for people and for programs.

use std::{
    io::{BufRead as _, BufReader},
    process::Stdio,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use swarm_proto::v1::{Agent, HoldKind};

use crate::{
    fake::{Fake, held::hold},
    look::three_tasks,
    terminal::on_a_terminal,
};

#[test]
fn status_has_the_promised_keys() {
    let fake = Fake::start(three_tasks);
    let status: Value = serde_json::from_str(&fake.ctl(&["status", "-o", "json"]).stdout).unwrap();
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(
        keys(&status["tasks"]),
        [
            "blocked",
            "delayed",
            "queued",
            "running",
            "waiting",
            "succeeded",
            "failed",
            "cancelled",
            "skipped"
        ]
    );
    assert_eq!(
        keys(&status["agents"]),
        [
            "online", "draining", "lost", "paused", "slowed", "copied", "silent"
        ]
    );
    assert_eq!(status["uptime"], 90);
}

#[test]
fn status_is_one_page_and_says_why_nothing_happens() {
    let fake = Fake::start(three_tasks);
    let page = fake.ctl(&["status"]).stdout;
    assert!(page.contains("  up 1m 30s, "), "{page}");
    assert!(
        page.contains("1 of 2 tasks ended: 1 succeeded; 1 queued\n"),
        "{page}"
    );
    assert!(page.contains("1 queued task and no agent is online"), "{page}");
}

#[test]
fn a_status_is_cut_for_a_screen_alone_and_says_so() {
    let fake = Fake::start(|world| {
        for n in 0..40 {
            world.agents.push(Agent {
                agent_id: format!("a{n}"),
                name: format!("lab-{n:02}"),
                ..Default::default()
            });
        }
        let reason = "because of the house that is moved ".repeat(30);
        world.held.holds = vec![hold(HoldKind::Pause, None, "ann@desk", &reason)];
    });
    let whole = fake.ctl(&["status"]);
    for part in ["lab-00", "lab-39", "swarmctl resume"] {
        assert!(whole.stdout.contains(part), "{part}: {}", whole.stdout);
    }
    let screen = on_a_terminal(fake.command(&["status", "--color", "never"]), Some(40));
    let lines: Vec<&str> = screen.lines().collect();
    assert_eq!(lines.len(), 23, "{screen}");
    assert!(
        lines[22].starts_with("and ") && lines[22].ends_with(" more lines: swarmctl status -o wide"),
        "{screen}"
    );
}

#[test]
fn a_watched_status_is_told_again_and_again_until_ctrl_c() {
    let fake = Fake::start(three_tasks);
    let mut child = fake
        .command(&["status", "-w", "-o", "jsonl"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for _ in 0..2 {
        let status: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        assert_eq!(status["tasks"]["queued"], 1);
    }
    kill(Pid::from_raw(child.id().try_into().unwrap()), Signal::SIGINT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
}
