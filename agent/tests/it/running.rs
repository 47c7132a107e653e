//! The surroundings of a task on an agent, and the reports about it.

use nix::sys::signal::Signal;
use swarm_proto::{
    limits::OUTPUT_TAIL_BYTES,
    v1::{Blame, DependencyOutput, Failure, TaskState, attempt_report::Outcome, task_spec::Work},
};

use crate::{
    fake::Fake,
    program::{Home, is_alive, until},
};

fn failure(outcome: Option<Outcome>) -> Failure {
    match outcome {
        Some(Outcome::Failure(failure)) => failure,
        other => panic!("no failure: {other:?}"),
    }
}

#[tokio::test]
async fn a_command_runs_in_a_fresh_directory_and_its_output_is_reported() {
    let (fake, home) = (Fake::start().await, Home::new());
    fake.submit(
        "a",
        "echo out; echo err >&2; pwd; ls; echo $SWARM_TASK_ID.$SWARM_ATTEMPT.$SWARM_JOB_ID",
    );
    let (code, log) = home.start(&fake, &["--once"]).end().await;
    assert_eq!(code, 0, "{log}");
    let report = fake.world().report("a").unwrap();
    assert!(matches!(report.outcome, Some(Outcome::Success(_))));
    let output = report.output.unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<_> = stdout.lines().collect();
    assert_eq!(lines.len(), 3, "the directory was not empty: {stdout}");
    assert!(
        lines[0] == "out" && lines[1].ends_with("/work/a.1/work") && lines[2] == "a.1.job",
        "{stdout}"
    );
    assert_eq!(
        (output.stderr.as_slice(), output.stderr_bytes),
        (b"err\n".as_slice(), 4)
    );
    assert!(home.find("/a.1").is_empty(), "the directory was not removed");
    assert_eq!(fake.world().goodbyes, 1);
}

#[tokio::test]
async fn a_task_sees_none_of_the_agents_environment() {
    let (fake, home) = (Fake::start().await, Home::new());
    fake.submit_with("a", "env", |assignment| {
        let Some(Work::Command(command)) = &mut assignment.spec.as_mut().unwrap().work else {
            unreachable!()
        };
        command.env.insert("OWN".to_owned(), "1".to_owned());
    });
    let (code, log) = home.start(&fake, &["--once"]).end().await;
    assert_eq!(code, 0, "{log}");
    let env = String::from_utf8(fake.world().report("a").unwrap().output.unwrap().stdout).unwrap();
    assert!(
        env.contains("OWN=1\n") && env.contains("PATH=") && !env.contains("sesame"),
        "{env}"
    );
    assert!(!log.contains("OWN"), "{log}");
}

#[tokio::test]
async fn what_dependencies_printed_is_in_files() {
    let (fake, home) = (Fake::start().await, Home::new());
    fake.submit_with(
        "a",
        "cat $SWARM_INPUTS/before; cat $SWARM_INPUTS/large; cat \"$SWARM_INPUTS/the third\" $SWARM_INPUTS/.ids/third",
        |assignment| {
            let printed = |task_id: &str, stdout: &[u8], omitted| DependencyOutput {
                task_id: task_id.to_owned(),
                state: TaskState::Succeeded.into(),
                stdout: stdout.to_vec(),
                omitted,
                name: String::new(),
                stdout_bytes: stdout.len() as u64,
            };
            let named = DependencyOutput {
                name: "the third".to_owned(),
                ..printed("third", b", and the third", false)
            };
            assignment.dependencies = vec![
                printed("before", b"printed before, ", false),
                printed("large", b"", true),
                named,
            ];
        },
    );
    home.start(&fake, &["--once"]).end().await;
    let stdout = fake.world().report("a").unwrap().output.unwrap().stdout;
    assert_eq!(
        String::from_utf8(stdout).unwrap(),
        "printed before, all that large printed, and the third, and the third"
    );
}

#[tokio::test]
async fn a_task_is_told_which_of_its_inputs_are_cut() {
    let (fake, home) = (Fake::start().await, Home::new());
    fake.submit_with(
        "a",
        "echo \"$SWARM_INPUTS_CUT\"; cat $SWARM_INPUTS/.cut/*; ls $SWARM_INPUTS",
        |assignment| {
            let printed = |task_id: &str, name: &str, whole| DependencyOutput {
                task_id: task_id.to_owned(),
                name: name.to_owned(),
                state: TaskState::Succeeded.into(),
                stdout: b"79\n80\n".to_vec(),
                stdout_bytes: whole,
                omitted: false,
            };
            assignment.dependencies = vec![
                printed("k1", "long", 588_895),
                printed("k2", "short", 6),
                printed("k3", "", 70_000),
                DependencyOutput {
                    omitted: true,
                    ..printed("huge", "", 6)
                },
            ];
        },
    );
    fake.submit("b", "echo \"${SWARM_INPUTS_CUT-unset}\"");
    home.start(&fake, &["--exit-when-idle"]).end().await;
    let stdout = |task: &str| {
        let stdout = fake.world().report(task).unwrap().output.unwrap().stdout;
        String::from_utf8(stdout).unwrap()
    };
    assert_eq!(
        stdout("a"),
        "long\nk3\nhuge\n900000\n70000\n588895\nhuge\nk3\nlong\nshort\n"
    );
    assert_eq!(stdout("b"), "unset\n");
}

#[tokio::test]
async fn an_exit_code_is_a_failure_of_the_task_and_its_directory_is_kept() {
    let (fake, home) = (Fake::start().await, Home::new());
    fake.submit("a", "echo half > left; exit 7");
    home.start(&fake, &["--once"]).end().await;
    let failure = failure(fake.world().report("a").unwrap().outcome);
    assert_eq!(
        (failure.reason.as_str(), failure.exit_code, failure.blame()),
        ("exit", Some(7), Blame::Task)
    );
    assert_eq!(home.find("work/kept/a.1/work/left").len(), 1);
}

#[tokio::test]
async fn the_owner_says_which_directories_are_kept() {
    for (when, kept) in [
        ("never", [false, false]),
        ("on-failure", [false, true]),
        ("always", [true, true]),
    ] {
        let (fake, home) = (Fake::start().await, Home::new());
        fake.submit("good", "touch left");
        fake.submit("bad", "touch left; exit 1");
        let flags = ["--keep-workspace", when, "--max-tasks", "2", "--slots", "1"];
        let (code, log) = home.start(&fake, &flags).end().await;
        assert_eq!(code, 0, "{log}");
        let is_kept = |task: &str| !home.find(&format!("work/kept/{task}.1/work/left")).is_empty();
        assert_eq!([is_kept("good"), is_kept("bad")], kept, "{when}");
    }
}

#[tokio::test]
async fn a_missing_command_is_named_with_the_path_it_was_looked_for_in() {
    let (fake, home) = (Fake::start().await, Home::new());
    fake.submit_with("a", "", |assignment| {
        let Some(Work::Command(command)) = &mut assignment.spec.as_mut().unwrap().work else {
            unreachable!()
        };
        command.argv = vec!["frobnicate".to_owned()];
        command.env.insert("PATH".to_owned(), "/nowhere".to_owned());
    });
    home.start(&fake, &["--once"]).end().await;
    let failure = failure(fake.world().report("a").unwrap().outcome);
    assert_eq!(
        failure.message,
        "cannot start 'frobnicate': not found in PATH=/nowhere"
    );
    assert_eq!(
        (failure.reason.as_str(), failure.blame()),
        ("spawn", Blame::Machine)
    );
}

#[tokio::test]
async fn a_timeout_ends_the_whole_group() {
    let (fake, home) = (Fake::start().await, Home::new());
    let script =
        "trap '' TERM; sh -c 'echo $$; while :; do sleep 1; done' & echo $$; wait; while :; do sleep 1; done";
    fake.submit_with("a", script, |assignment| {
        assignment.timeout = Some(prost_types::Duration {
            seconds: 0,
            nanos: 500_000_000,
        });
    });
    let (code, log) = home
        .start(&fake, &["--once", "--kill-grace", "300ms"])
        .end()
        .await;
    assert_eq!(code, 0, "{log}");
    let report = fake.world().report("a").unwrap();
    let failure = failure(report.outcome);
    assert_eq!(
        (failure.reason.as_str(), failure.blame()),
        ("timeout", Blame::Task)
    );
    let stdout = String::from_utf8(report.output.unwrap().stdout).unwrap();
    assert_eq!(stdout.lines().count(), 2, "{stdout}");
    for pid in stdout.lines() {
        until("the group is gone", || !is_alive(pid)).await;
    }
}

#[tokio::test]
async fn a_cancelled_task_is_ended_and_reported_as_cancelled() {
    let (fake, home) = (Fake::start().await, Home::new());
    fake.submit("a", "echo begun; exec sleep 600");
    let agent = home.start(&fake, &[]);
    fake.until("the claim", |world| (!world.granted.is_empty()).then_some(()))
        .await;
    fake.cancelled("a").await;
    fake.world().directives.clear();
    agent.signal(Signal::SIGTERM);
    assert_eq!(agent.end().await.0, 0);
}

#[tokio::test]
async fn of_a_megabyte_of_output_the_tail_and_the_size_are_reported() {
    let (fake, home) = (Fake::start().await, Home::new());
    fake.submit(
        "a",
        "head -c 1000000 /dev/zero | tr '\\0' x; printf END; printf y >&2",
    );
    home.start(&fake, &["--once"]).end().await;
    let output = fake.world().report("a").unwrap().output.unwrap();
    assert_eq!(
        (output.stdout.len(), output.stdout_bytes),
        (OUTPUT_TAIL_BYTES, 1_000_003)
    );
    assert!(output.stdout.ends_with(b"xEND"));
    assert_eq!(output.stderr, b"y");
}
