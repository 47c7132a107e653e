//! submit and run.

use std::fs;

use serde_json::Value;
use swarm_proto::{
    reason::Reason,
    refusal::FieldFault,
    v1::{Agent, Attempt, AttemptOutcome, HoldKind, Output, TaskResult, TaskState, task_spec::Work},
};

use crate::fake::{Fake, World, held::hold};

pub(crate) fn one_agent(world: &mut World) {
    world.agents.push(Agent {
        agent_id: "lab".into(),
        ..Default::default()
    });
}

#[test]
fn every_flag_reaches_the_task() {
    let fake = Fake::start(one_agent);
    let directory = tempfile::tempdir().unwrap();
    let input = directory.path().join("in.txt");
    fs::write(&input, "hello").unwrap();
    let ended = fake.ctl(&[
        "submit",
        "--id",
        "t1",
        "--name",
        "Tea",
        "--queue",
        "slow",
        "--priority",
        "-7",
        "--depends-on",
        "a,b",
        "--label",
        "k=v=w",
        "--timeout",
        "1h 30m",
        "--deadline",
        "2030-01-01T00:00:00Z",
        "--delay",
        "90",
        "--retries",
        "0",
        "--env",
        "K=V",
        "--cwd",
        "/srv",
        "--stdin-file",
        input.to_str().unwrap(),
        "-o",
        "json",
        "--",
        "sort",
        "-u",
        "$HOME",
    ]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let answer: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(answer["tasks"][0]["state"], "queued");

    let request = fake.world().submits.remove(0);
    assert!(request.job.is_none());
    let spec = request.tasks[0].spec.clone().unwrap();
    let Some(Work::Command(command)) = spec.work else {
        panic!("no command")
    };
    assert_eq!(request.tasks[0].task_id, "t1");
    assert_eq!(command.argv, ["sort", "-u", "$HOME"]);
    assert_eq!(
        (
            command.cwd.as_str(),
            command.stdin.as_slice(),
            command.env["K"].as_str()
        ),
        ("/srv", &b"hello"[..], "V")
    );
    assert_eq!(
        (spec.name.as_str(), spec.queue.as_str(), spec.priority),
        ("Tea", "slow", -7)
    );
    assert_eq!(
        spec.depends_on
            .iter()
            .map(|on| on.task_id.as_str())
            .collect::<Vec<_>>(),
        ["a", "b"]
    );
    assert_eq!(spec.labels["k"], "v=w");
    assert_eq!(spec.timeout.unwrap().seconds, 5_400);
    assert_eq!(spec.delay.unwrap().seconds, 90);
    assert_eq!(spec.deadline.unwrap().seconds, 1_893_456_000);
    assert_eq!(spec.retry.unwrap().max_retries, Some(0));
}

#[test]
fn a_submit_says_what_to_type_next() {
    let fake = Fake::start(one_agent);
    let ended = fake.ctl(&["submit", "--id", "t1", "--", "echo hi | wc -c"]);
    assert_eq!(
        ended.stdout,
        "WHAT             ID  STATE\necho hi | wc -c  t1  ○ queued\n"
    );
    assert_eq!(
        ended.stderr,
        "next: swarmctl wait t1\n      swarmctl inspect t1\n"
    );
    let request = fake.world().submits.remove(0);
    let Some(Work::Command(command)) = request.tasks[0].spec.clone().unwrap().work else {
        panic!("no command")
    };
    assert_eq!(command.argv, ["sh", "-c", "echo hi | wc -c"]);

    let quiet = fake.ctl(&["submit", "-q", "--", "true"]);
    let id = quiet.stdout.trim();
    assert!(
        id.len() == 10 && id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()),
        "{id}"
    );
}

#[test]
fn an_empty_swarm_is_named() {
    let fake = Fake::start(|_| {});
    let ended = fake.ctl(&["submit", "--", "true"]);
    assert!(
        ended
            .stderr
            .contains(&format!("agent --coordinator {}", fake.address)),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_lost_answer_is_asked_for_with_the_same_ids() {
    let fake = Fake::start(|world| {
        one_agent(world);
        world.lost_answers = 2;
    });
    let ended = fake.ctl(&["submit", "-q", "--", "true"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let world = fake.world();
    assert_eq!(world.submits.len(), 3);
    assert!(world.submits.iter().all(|submit| submit == &world.submits[0]));
    assert_eq!(world.tasks.len(), 1);
}

#[test]
fn faults_that_the_coordinator_finds_are_named_by_their_flags() {
    let fake = Fake::start(|world| {
        let fault = FieldFault {
            field: "tasks[0].spec.queue".into(),
            description: "is too long".into(),
        };
        world.refusal = Some((Reason::FieldInvalid, "1 field is wrong", vec![fault]));
    });
    let ended = fake.ctl(&["submit", "--queue", "q", "--", "true"]);
    assert_eq!(ended.code, 2);
    assert_eq!(
        ended.stderr,
        "error: cannot submit: 1 field is wrong\n  --queue: is too long\n"
    );
}

#[test]
fn a_request_that_is_too_large_is_not_sent() {
    let fake = Fake::start(one_agent);
    let mut file = String::from("tasks:\n");
    for n in 0..100 {
        file.push_str(&format!(
            "  - {{id: t{n}, run: [echo, {}]}}\n",
            "x".repeat(50_000)
        ));
    }
    let ended = fake.ctl_with(&["submit", "-"], &file, &[]);
    assert_eq!(ended.code, 2);
    assert!(
        ended.stderr.contains("cannot submit 100 tasks: they are 4.7 MiB"),
        "{}",
        ended.stderr
    );
    assert!(fake.world().submits.is_empty());
}

#[test]
fn an_input_that_is_too_large_is_named_by_its_flag_and_not_read_to_its_end() {
    let fake = Fake::start(one_agent);
    let ended = fake.ctl(&["submit", "--stdin-file", "/dev/zero", "--", "cat"]);
    assert_eq!(ended.code, 2);
    assert!(
        ended.stderr.starts_with(
            "error: --stdin-file: /dev/zero has more than 16 MiB; a task has at most 64 KiB with its \
                          input\nhelp: "
        ),
        "{}",
        ended.stderr
    );
}

#[test]
fn submit_can_wait_and_follow() {
    let fake = Fake::start(|world| {
        one_agent(world);
        world.then(|world| {
            world.becomes("t1", TaskState::Running);
            world.becomes("t1", TaskState::Failed);
        });
    });
    let ended = fake.ctl(&["submit", "-q", "--id", "t1", "--follow", "--", "false"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (1, "t1\n"));
    assert!(
        ended
            .stderr
            .contains("     1  03:04:01  lease_granted       t1: lease_granted\n"),
        "{}",
        ended.stderr
    );
    assert!(
        ended.stderr.contains("1 of 1 task did not succeed\n"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_follow_shows_what_happened_before_it_listened() {
    let file = "id: n\ntasks: [{id: a, run: x}, {id: b, run: y}]\n";
    let fake = Fake::start(|world| {
        one_agent(world);
        world.task("other", TaskState::Queued);
        world.becomes("other", TaskState::Running);
        world.after_submit = Some(Box::new(|world| {
            for id in ["a", "b"] {
                world.becomes(id, TaskState::Running);
                world.becomes(id, TaskState::Succeeded);
            }
        }));
    });
    let ended = fake.ctl_with(&["submit", "--follow", "-"], file, &[]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    for event in [
        "a: lease_granted",
        "a: task_succeeded",
        "b: lease_granted",
        "b: task_succeeded",
    ] {
        assert_eq!(
            ended.stderr.matches(event).count(),
            1,
            "{event}: {}",
            ended.stderr
        );
    }
    assert!(!ended.stderr.contains("other: "), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("all 2 tasks succeeded\n"),
        "{}",
        ended.stderr
    );
}

fn a_run_that_exits_with_3(world: &mut World) {
    one_agent(world);
    world.then(|world| {
        let output = Output {
            stdout: b"out\x1b[31m\n".to_vec(),
            stderr: b"err\n".to_vec(),
            stdout_bytes: 9,
            stderr_bytes: 4,
            ..Default::default()
        };
        let task = &mut world.tasks[0];
        task.result = Some(TaskResult {
            attempt: 1,
            output: Some(output),
        });
        task.attempts = vec![Attempt {
            attempt: 1,
            agent_id: "lab".into(),
            outcome: AttemptOutcome::Failed.into(),
            exit_code: Some(3),
            ..Default::default()
        }];
        world.becomes("r", TaskState::Failed);
    });
}

#[test]
fn run_prints_what_the_task_printed_and_exits_as_it_did() {
    let fake = Fake::start(a_run_that_exits_with_3);
    let ended = fake.ctl(&["run", "--id", "r", "--", "false"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (3, "out\u{1b}[31m\n"));
    assert_eq!(
        ended.stderr,
        "err\ntask r failed on lab: exit code 3 is the task's\n"
    );
    let spec = fake.world().submits.remove(0).tasks.remove(0).spec.unwrap();
    assert_eq!(spec.retry.unwrap().max_retries, Some(0));
}

#[test]
fn run_exits_as_the_task_did_when_nobody_reads_its_output() {
    let fake = Fake::start(a_run_that_exits_with_3);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut run = fake.command(&["run", "--id", "r", "--", "false"]);
    let output = run.stdout(writer).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{told}");
    assert!(told.contains("cannot write to standard output: "), "{told}");
    assert!(told.contains("exit code 3 is the task's\n"), "{told}");
}

#[test]
fn who_submits_while_everything_is_held_is_told_so_and_not_to_start_an_agent() {
    for (held, told) in [
        (
            false,
            "no agent is online yet; start one with: agent --coordinator ",
        ),
        (
            true,
            "no agent takes work: everything is paused by ann@desk since 03:04:05 UTC; to give work again: \
             swarmctl resume\n",
        ),
    ] {
        let fake = Fake::start(|world| {
            if held {
                world.held.holds = vec![hold(HoldKind::Pause, None, "ann@desk", "")];
            }
        });
        let ended = fake.ctl(&["submit", "--", "true"]);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        assert!(ended.stderr.contains(told), "{}", ended.stderr);
        assert_eq!(ended.stderr.contains("start one with"), !held, "{}", ended.stderr);
    }
}
