//! What somebody submits for the first time: the example, a pipe, a list of lines, and a task that is over at once.

use std::{fs, io::Write as _, process::Stdio};

use crate::harness::{agent::RealAgent, coordinator::Coordinator, swarmctl::swarmctl_command};

#[test]
fn the_example_of_a_job_file_runs_as_it_stands() {
    let coordinator = Coordinator::start();
    let _agent = RealAgent::start(&coordinator, "lab", &["--slots", "2"]);
    let example = coordinator.swarmctl(&["submit", "--example"]).expect(0).stdout;
    fs::write(coordinator.dir().join("job.yaml"), example).unwrap();
    coordinator
        .swarmctl(&["submit", "--dry-run", "-f", "job.yaml"])
        .expect(0);
    let ended = coordinator
        .swarmctl(&["submit", "-f", "job.yaml", "--wait"])
        .expect(0);
    assert!(
        ended.stderr.contains("all 6 tasks succeeded\n"),
        "{}",
        ended.stderr
    );
    let report = coordinator
        .swarmctl(&["list", "-q", "--text", "report"])
        .expect(0)
        .stdout;
    let printed = coordinator.swarmctl(&["logs", report.trim()]).expect(0).stdout;
    assert!(
        printed.contains("shard 1\n") && printed.contains("shard 3\n"),
        "{printed}"
    );
}

#[test]
fn a_follow_shows_a_task_that_is_over_before_it_listens() {
    let coordinator = Coordinator::start();
    let _agent = RealAgent::start(&coordinator, "lab", &["--slots", "2"]);
    for id in ["one", "two", "three"] {
        let ended = coordinator
            .swarmctl(&["submit", "--id", id, "--follow", "--", "true"])
            .expect(0);
        for kind in ["task_submitted", "lease_granted", "task_succeeded"] {
            assert_eq!(ended.stderr.matches(kind).count(), 1, "{kind}: {}", ended.stderr);
        }
    }
}

#[test]
fn what_is_piped_into_run_is_the_commands_input() {
    let coordinator = Coordinator::start();
    let _agent = RealAgent::start(&coordinator, "lab", &[]);
    // Nothing is said of an agent that is connected.
    coordinator.swarmctl(&["run", "--", "true"]).expect(0);
    let mut command = swarmctl_command(coordinator.address(), coordinator.dir(), &["run", "--", "wc -l"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"a\nb\n").unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), said.as_str()), (Some(0), ""));
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), "2");
}

#[test]
fn lines_become_arguments_whatever_is_in_them() {
    let coordinator = Coordinator::start();
    let _agent = RealAgent::start(&coordinator, "lab", &["--slots", "2"]);
    fs::write(
        coordinator.dir().join("lines"),
        "a b\n$(touch /nonexistent)\n'\"\n",
    )
    .unwrap();
    for (id, command) in [
        ("w", &["printf", "%s", "{}"][..]),
        ("s", &["printf '%s' {} | cat"]),
    ] {
        let words = [
            &["submit", "--id", id, "--wait", "--each-line", "lines", "--"],
            command,
        ]
        .concat();
        coordinator.swarmctl(&words).expect(0);
        for (number, line) in [(1, "a b"), (2, "$(touch /nonexistent)"), (3, "'\"")] {
            let printed = coordinator
                .swarmctl(&["logs", &format!("{id}-{number}")])
                .expect(0)
                .stdout;
            assert_eq!(printed, line, "{id}-{number}");
        }
    }
}
