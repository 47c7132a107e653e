//! The advice of swarmctl when nothing happens is true: it is typed, and the task runs.

use std::fs;

use crate::harness::{agent::RealAgent, coordinator::Coordinator, wait_until};

/// Types what an explanation advises, which is a command of swarmctl.
fn type_change(coordinator: &Coordinator, id: &str) {
    let page = coordinator.swarmctl(&["explain", id]).expect(0).stdout;
    let change = page
        .lines()
        .find_map(|line| line.strip_prefix("change: swarmctl "));
    let words: Vec<&str> = change.expect("a change is advised").split(' ').collect();
    coordinator.swarmctl(&words).expect(0);
}

#[test]
fn what_explain_advises_makes_a_held_task_run() {
    let coordinator = Coordinator::start();
    let _agent = RealAgent::start(&coordinator, "lab", &["--slots", "2"]);
    for (id, hold) in [
        ("a", &["pause", "--reason", "moving"][..]),
        ("b", &["queue", "pause", "slow"]),
        ("c", &["agent", "pause", "lab"]),
        ("d", &["drain", "lab", "--wait"]),
        ("e", &["stop", "--yes"]),
    ] {
        coordinator.swarmctl(hold).expect(0);
        let submitted = coordinator
            .swarmctl(&["submit", "--id", id, "--queue", "slow", "--", "true"])
            .expect(0);
        assert!(
            submitted
                .stderr
                .contains(&format!("help: swarmctl explain {id}\n")),
            "{}",
            submitted.stderr
        );
        let page = coordinator.swarmctl(&["explain", id]).expect(0).stdout;
        assert!(
            page.starts_with("○ queued: ") && page.contains("\nchange: swarmctl "),
            "{page}"
        );
        assert!(
            coordinator
                .swarmctl(&["status", "-o", "wide"])
                .expect(0)
                .stdout
                .contains("\nholds\n")
        );
        type_change(&coordinator, id);
        coordinator.swarmctl(&["wait", id]).expect(0);
        assert!(
            !coordinator
                .swarmctl(&["status", "-o", "wide"])
                .expect(0)
                .stdout
                .contains("\nholds\n")
        );
    }
}

#[test]
fn what_nobody_can_run_is_said_at_once_and_runs_when_somebody_comes() {
    let coordinator = Coordinator::start();
    let _one = RealAgent::start(&coordinator, "one", &["--label", "zone=a"]);
    wait_until("the agent is there", || coordinator.client().status().slots > 0);
    let args = [
        "submit",
        "--id",
        "t",
        "--require",
        "zone=b,os",
        "--require-match",
        "--",
        "true",
    ];
    coordinator
        .swarmctl(&[&["submit", "--dry-run"][..], &args[1..]].concat())
        .expect(9);
    let refused = coordinator.swarmctl(&args).expect(9);
    assert!(
        refused
            .stderr
            .contains("error: queued, but the one agent cannot run it: 1 lacks label zone=b\n"),
        "{}",
        refused.stderr
    );
    let page = coordinator.swarmctl(&["explain", "t"]).expect(0).stdout;
    let change = format!("\nchange: agent --coordinator {} ", coordinator.address());
    assert!(
        page.contains(&change) && page.contains("--label zone=b"),
        "{page}"
    );

    let _other = RealAgent::start(&coordinator, "other", &["--label", "zone=b"]);
    coordinator.swarmctl(&["wait", "t"]).expect(0);
    let page = coordinator.swarmctl(&["explain", "t"]).expect(0).stdout;
    assert!(page.starts_with("✔ succeeded: "), "{page}");
    coordinator.swarmctl(&["explain", "nosuch"]).expect(4);
}

#[test]
fn a_series_tells_each_task_which_one_it_is() {
    let coordinator = Coordinator::start();
    let _agent = RealAgent::start(&coordinator, "lab", &["--slots", "2"]);
    coordinator
        .swarmctl(&[
            "submit",
            "--id",
            "n",
            "--array",
            "1-3",
            "--wait",
            "--",
            "echo n=$ARRAY_INDEX",
        ])
        .expect(0);
    assert_eq!(coordinator.swarmctl(&["logs", "n-2"]).expect(0).stdout, "n=2\n");

    let lines = coordinator.dir().join("lines.txt");
    fs::write(&lines, "one\n\ntwo $(words)\n").unwrap();
    let submit = [
        "submit",
        "--id",
        "l",
        "--wait",
        "--each-line",
        lines.to_str().unwrap(),
    ];
    coordinator
        .swarmctl(&[&submit[..], &["--", "echo \"$ARRAY_INDEX:$ENTRY\""]].concat())
        .expect(0);
    assert_eq!(
        coordinator.swarmctl(&["logs", "l-3"]).expect(0).stdout,
        "3:two $(words)\n"
    );
}

#[test]
fn a_dry_run_finds_what_the_submit_would_be_refused_for() {
    let coordinator = Coordinator::start();
    let file = coordinator.dir().join("tasks.yaml");
    let write = |text: &str| fs::write(&file, text).unwrap();
    let submit = ["submit", "-f", file.to_str().unwrap()];
    let dry_run = [&submit[..], &["--dry-run"]].concat();
    write(
        "id: j\ntasks:\n- {id: a, run: x, env: {SECRET: s}, requires: gpu}\n- {id: b, run: y, depends_on: a}\n",
    );
    coordinator.swarmctl(&dry_run).expect(0);
    coordinator.swarmctl(&submit).expect(0);
    let again = coordinator.swarmctl(&dry_run).expect(0);
    assert!(
        again
            .stderr
            .contains("already there, and not submitted again: a (queued), b (blocked)\n"),
        "{}",
        again.stderr
    );
    coordinator.swarmctl(&submit).expect(11);

    write("id: j\ntasks:\n- {id: a, run: other}\n- {id: c, run: y, depends_on: gone}\n");
    let found = coordinator.swarmctl(&dry_run).expect(2).stderr;
    for fault in [
        ":3:8: a task a with another spec exists; it is queued\n",
        ":4:31: no task 'gone'",
    ] {
        assert!(found.contains(fault), "{fault:?} is not in {found}");
    }
    write("id: j\ntasks:\n- {id: c, run: y}\n");
    let found = coordinator.swarmctl(&dry_run).expect(2).stderr;
    assert!(
        found.contains(":1:5: a job j with other tasks exists\n"),
        "{found}"
    );
    coordinator.swarmctl(&submit).expect(3);
}
