//! The doctors: each thing that is wrong is named with what mends it, and the exit code says whether anything is.

use std::{net::TcpListener, thread};

use crate::harness::{
    agent::RealAgent,
    coordinator::Coordinator,
    deaf::Deaf,
    program::{Ended, command, run},
    swarmctl::swarmctl,
    wait_until,
};

/// The state of a check in the JSON form.
fn state(ended: &Ended, check: &str) -> String {
    let json = ended.json();
    let checks = json["checks"].as_array().unwrap();
    let found = checks.iter().find(|found| found["check"] == check);
    let found = found.unwrap_or_else(|| panic!("no {check} in {json}"));
    if found["state"] != "ok" {
        assert_ne!(found["fix"], "", "{found}");
    }
    found["state"].as_str().unwrap().to_owned()
}

#[test]
fn a_swarm_that_works_is_well_and_one_without_agents_is_not() {
    let coordinator = Coordinator::start();
    coordinator.swarmctl(&["doctor"]).expect_doctor(
        1,
        &[
            "✔ protocol",
            "✔ version",
            "✔ clock",
            "✔ data directory: journal ",
            "✘ agents: there is none",
            "fix: start one with: agent",
        ],
    );
    let agent = RealAgent::start(&coordinator, "lab", &["--slots", "2"]);
    wait_until("the agent is there", || {
        coordinator.client().status().agents.unwrap().online == 1
    });
    coordinator
        .swarmctl(&["doctor"])
        .expect_doctor(0, &["✔ agents: 1 online with 2 slots", "✔ holds"]);

    coordinator
        .swarmctl(&["pause", "--queue", "nightly", "--reason", "too hot"])
        .expect(0);
    let held = coordinator.swarmctl(&["doctor", "-o", "json"]).expect(0);
    assert_eq!(state(&held, "hold"), "warning");
    assert!(
        held.stdout.contains("too hot") && held.stdout.contains("resume --queue nightly"),
        "{}",
        held.stdout
    );

    coordinator
        .swarmctl(&["submit", "--require", "gpu=a100", "--", "true"])
        .expect(0);
    let stuck = coordinator.swarmctl(&["doctor", "-o", "json"]).expect(1);
    assert_eq!(
        (state(&stuck, "tasks").as_str(), stuck.json()["ok"].as_bool()),
        ("wrong", Some(false))
    );
    drop(agent);
}

#[test]
fn who_cannot_be_asked_is_unreachable_for_both_doctors() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = listener.local_addr().unwrap().to_string();
    let deaf = Deaf::take();
    // Side by side: both doctors have patience with a silent one.
    thread::scope(|scope| {
        for (address, why) in [
            (deaf.address(), "nothing listens there"),
            ("no-such-host.invalid", "does not resolve"),
            (silent.as_str(), "does not answer"),
        ] {
            scope.spawn(move || {
                swarmctl(address, dir, &["doctor"]).expect_doctor(69, &["✘", why, "fix: "]);
            });
            scope.spawn(move || {
                let mut agent = command("agent", dir);
                agent.args(["doctor", "--coordinator", address]);
                run(agent).expect_doctor(
                    69,
                    &["✘", why, "fix: ", "✔ state directory", "✔ tool", "✔ processes"],
                );
            });
        }
    });
}

#[test]
fn the_agents_doctor_names_what_this_machine_lacks() {
    let coordinator = Coordinator::start();
    let dir = tempfile::tempdir().unwrap();
    let doctor = |words: &[&str], path: Option<&str>| {
        let mut agent = command("agent", dir.path());
        agent
            .args(["--coordinator", coordinator.address(), "doctor"])
            .args(words);
        if let Some(path) = path {
            agent.env("PATH", path);
        }
        run(agent)
    };
    doctor(&[], None).expect_doctor(0, &["✔ state directory", "✔ lock", "✔ clock"]);
    doctor(&["--workspace", "/proc/no/such"], None).expect_doctor(
        1,
        &["✘ workspace: /proc/no/such cannot be made", "--workspace DIR"],
    );
    doctor(&[], Some("/nonexistent")).expect_doctor(1, &["✘ tool: sh is not on PATH", "fix: install"]);

    let agent = RealAgent::start(&coordinator, "lab", &[]);
    wait_until("the agent is there", || {
        coordinator.client().status().agents.unwrap().online == 1
    });
    let taken = agent.state_dir();
    doctor(&["--state-dir", taken.to_str().unwrap()], None)
        .expect_doctor(0, &["! lock: another agent works with", "--state-dir"]);
}

impl Ended {
    /// Checks what a doctor said.
    #[track_caller]
    fn expect_doctor(self, code: i32, parts: &[&str]) {
        let ended = self.expect(code);
        for part in parts {
            assert!(
                ended.stdout.contains(part),
                "'{part}' is not in\n{}",
                ended.stdout
            );
        }
    }
}
