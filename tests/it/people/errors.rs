//! Errors as people see them: a sentence, a next step, and the documented exit code.

use std::{fs, net::TcpListener, path::Path, time::Duration};

use crate::harness::{
    coordinator::Coordinator,
    fake_agent::FakeAgent,
    program::{Ended, command, run},
    swarmctl::swarmctl,
    wait_until,
};

fn coordinator(home: &Path, words: &[&str]) -> Ended {
    let mut command = command("coordinator", home);
    command.args(words);
    run(command)
}

#[test]
fn three_mistakes_in_a_job_file_are_all_named_with_line_and_column() {
    let coordinator = Coordinator::start();
    let file = coordinator.dir().join("job.yaml");
    fs::write(
        &file,
        "name: broken\n\
         tasks:\n\
         \x20 - id: fetch\n\
         \x20   run: echo hi\n\
         \x20   priorty: high\n\
         \x20 - id: build\n\
         \x20   run: make\n\
         \x20   depends_on: [fetch, nowhere]\n\
         \x20 - id: report\n\
         \x20   run: cat\n\
         \x20   timeout: soon\n",
    )
    .unwrap();

    let refused = coordinator
        .swarmctl(&["submit", "-f", file.to_str().unwrap()])
        .expect(2);

    for (place, word) in [
        ("job.yaml:5:5:", "priority"),
        ("job.yaml:8:25:", "nowhere"),
        ("job.yaml:11:14:", "soon"),
    ] {
        assert!(
            refused.stderr.contains(place),
            "{place} is not named in:\n{}",
            refused.stderr
        );
        assert!(
            refused.stderr.contains(word),
            "'{word}' is not named in:\n{}",
            refused.stderr
        );
    }
    assert!(refused.stderr.contains("error:"), "{}", refused.stderr);
    refused.expect_error(2, &[], &[]);
    assert!(
        coordinator
            .client()
            .all_events()
            .iter()
            .all(|event| event.kind != "task_submitted")
    );
}

#[test]
fn an_unreachable_coordinator_is_named_with_what_to_start() {
    let dir = tempfile::tempdir().unwrap();
    // Bound but not listening: nobody else gets the port while the test runs.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    drop(taken);
    swarmctl(&address, dir.path(), &["list"]).expect_error(
        69,
        &["cannot reach the coordinator", &address, "refused"],
        &["coordinator", "swarmctl dev"],
    );
}

#[test]
fn an_unknown_task_is_not_found() {
    let coordinator = Coordinator::start();
    for verb in ["inspect", "logs", "wait", "cancel", "retry"] {
        let refused = coordinator.swarmctl(&[verb, "nobody"]);
        assert!(refused.stderr.contains("nobody"), "{verb}: {}", refused.stderr);
        refused.expect_error(4, &["nobody"], &["swarmctl list"]);
    }
}

#[test]
fn a_second_coordinator_on_the_same_directory_is_refused() {
    let first = Coordinator::start();
    let data = first.data_dir();
    let words = ["--listen", "127.0.0.1:0", "--data-dir", data.to_str().unwrap()];
    coordinator(first.dir(), &words).expect_error(
        3,
        &["in use by another coordinator", data.to_str().unwrap()],
        &["--data-dir"],
    );
    first.swarmctl(&["status"]).expect(0);
}

#[test]
fn plaintext_off_loopback_is_refused_unless_it_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let words = ["--listen", "0.0.0.0:0", "--data-dir", data.to_str().unwrap()];
    coordinator(dir.path(), &words).expect_error(78, &["0.0.0.0", "plaintext"], &["--insecure", "127.0.0.1"]);
}

#[test]
fn a_port_in_use_is_named_with_the_flag_that_changes_it() {
    let dir = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let data = dir.path().join("data");
    coordinator(
        dir.path(),
        &["--listen", &address, "--data-dir", data.to_str().unwrap()],
    )
    .expect_error(78, &[&address, "in use"], &["--listen"]);
}

#[test]
fn a_second_agent_on_the_same_state_directory_is_refused() {
    let server = Coordinator::start();
    let mut agent = crate::harness::agent::RealAgent::start(&server, "a", &["--slots", "1"]);
    crate::harness::wait_until("the agent is there", || {
        server.client().status().agents.unwrap().online == 1
    });
    let state = agent.state_dir();
    let mut second = command("agent", server.dir());
    second
        .args(["--coordinator", server.address(), "--state-dir"])
        .arg(&state);
    run(second).expect_error(75, &[state.to_str().unwrap()], &["--"]);
    assert_eq!(agent.program().ended(), None);
}

#[test]
fn wrong_usage_of_each_program_ends_with_2() {
    let dir = tempfile::tempdir().unwrap();
    for program in ["coordinator", "agent", "swarmctl"] {
        let mut wrong = command(program, dir.path());
        wrong.arg("--no-such-flag");
        let ended = run(wrong).expect(2);
        assert!(ended.stderr.contains("--no-such-flag"), "{}", ended.stderr);
        let mut help = command(program, dir.path());
        help.arg("--help");
        let help = run(help).expect(0).stdout;
        let examples: Vec<&str> = help.lines().skip(1).take(3).map(str::trim_start).collect();
        assert!(help.starts_with("Examples:"), "{help}");
        assert!(examples.iter().all(|line| line.starts_with(program)), "{help}");
    }
}

#[test]
fn a_lost_lease_is_told_with_its_time_where_people_look_at_the_task() {
    let coordinator = Coordinator::with(&["--lease-ttl", "500ms"]);
    coordinator
        .swarmctl(&["submit", "--id", "a", "--", "true"])
        .expect(0);
    let mut agent = FakeAgent::register(&coordinator, "silent");
    agent.claim(Duration::from_secs(20)).unwrap().unwrap();
    wait_until("the lease has expired", || {
        let events = coordinator.client().all_events();
        events.iter().any(|event| event.kind == "lease_expired")
    });
    let shown = coordinator
        .swarmctl(&["inspect", "a", "-o", "json"])
        .expect(0)
        .json();
    let attempt = &shown["attempts"][0];
    assert_eq!(attempt["outcome"], "lost", "{shown}");
    assert!(attempt["end_time"].is_string(), "{attempt}");
    let why = attempt["message"].as_str().unwrap();
    let page = coordinator.swarmctl(&["inspect", "a"]).expect(0).stdout;
    assert!(
        !why.is_empty() && page.contains("lost") && page.contains(why),
        "{page}"
    );
    let events = coordinator.swarmctl(&["events", "--task", "a"]).expect(0).stdout;
    let line = events
        .lines()
        .find(|line| line.contains("lease_expired"))
        .unwrap();
    assert!(line.contains("silent"), "{line}");
}
