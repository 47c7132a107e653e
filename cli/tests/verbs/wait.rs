//! wait: exit codes, lost streams, jobs and tasks mixed.

use std::{
    io::Read as _,
    os::unix::process::ExitStatusExt as _,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::{Value, json};
use swarm_proto::v1::{Job, Output, TaskResult, TaskState};

use crate::fake::Fake;

#[test]
fn what_has_ended_is_not_waited_for() {
    let fake = Fake::start(|world| {
        world.task("a", TaskState::Succeeded);
    });
    let ended = fake.ctl(&["wait", "a"]);
    assert_eq!(
        (ended.code, ended.stdout.as_str(), ended.stderr.as_str()),
        (0, "", "1 task succeeded\n")
    );
    assert!(fake.world().streams.is_empty());
}

#[test]
fn tasks_and_jobs_are_waited_for_until_all_have_ended() {
    let fake = Fake::start(|world| {
        world.jobs.push(Job {
            job_id: "j".into(),
            task_count: 2,
            ..Default::default()
        });
        for id in ["j1", "j2"] {
            world.task(id, TaskState::Queued).job_id = "j".into();
        }
        world.task("a", TaskState::Running);
        world.task("other", TaskState::Running);
        world.cuts = [2].into();
        world.then(|world| {
            world.becomes("other", TaskState::Failed);
            world.becomes("j1", TaskState::Failed);
            world.becomes("a", TaskState::Succeeded);
        });
        world.then(|world| world.becomes("j2", TaskState::Skipped));
    });
    let ended = fake.ctl(&["wait", "j", "a", "-o", "json"]);
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    let answer: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((&answer["tasks"], &answer["succeeded"]), (&json!(3), &json!(1)));
    let ids: Vec<_> = answer["unsuccessful"]
        .as_array()
        .unwrap()
        .iter()
        .map(|task| &task["task_id"])
        .collect();
    assert_eq!(ids, ["j1", "j2"]);
    assert!(
        ended.stderr.contains("2 of 3 tasks did not succeed\n"),
        "{}",
        ended.stderr
    );
    // After the cut it goes on after the last received event.
    let from: Vec<_> = fake
        .world()
        .streams
        .iter()
        .map(|stream| stream.from_seq)
        .collect();
    assert_eq!(from, [Some(1), Some(4)]);
    // Tasks and jobs are asked for together.
    let world = fake.world();
    assert_eq!(
        (&world.streams[0].task_ids, &world.streams[0].job_ids),
        (&vec!["a".to_owned()], &vec!["j".to_owned()])
    );
}

#[test]
fn what_did_not_succeed_is_listed() {
    let fake = Fake::start(|world| {
        world.task("a", TaskState::Succeeded);
        world.task("b", TaskState::Cancelled).reason = "somebody asked".into();
    });
    let ended = fake.ctl(&["wait", "a", "b"]);
    assert_eq!(ended.code, 1);
    assert!(
        ended.stdout.contains("echo b  b   ⊘ cancelled"),
        "{}",
        ended.stdout
    );
    assert!(!ended.stdout.contains("echo a"), "{}", ended.stdout);
    assert_eq!(fake.ctl(&["wait", "a", "b", "-q"]).stdout, "b\n");
}

#[test]
fn a_timeout_has_its_own_exit_code() {
    let fake = Fake::start(|world| {
        world.task("a", TaskState::Running);
    });
    let ended = fake.ctl(&["wait", "a", "--timeout", "0.2s"]);
    assert_eq!(ended.code, 5);
    assert!(
        ended
            .stderr
            .ends_with("help: they go on; to wait again: swarmctl wait a\n"),
        "{}",
        ended.stderr
    );
}

#[test]
fn ids_are_read_from_stdin() {
    let fake = Fake::start(|world| {
        world.task("a", TaskState::Succeeded);
        world.task("b", TaskState::Succeeded);
    });
    let ended = fake.ctl_with(&["wait", "-"], "a\n\n b \n", &[]);
    assert_eq!(
        (ended.code, ended.stderr.as_str()),
        (0, "all 2 tasks succeeded\n")
    );
}

#[test]
fn an_id_that_names_nothing_is_not_waited_for() {
    let fake = Fake::start(|_| {});
    let ended = fake.ctl(&["wait", "nosuch"]);
    assert_eq!(ended.code, 4);
    assert!(
        ended.stderr.starts_with(
            "error: there is no task with the id nosuch, and no job with that id or name\nhelp: "
        ),
        "{}",
        ended.stderr
    );
}

#[test]
fn progress_is_told_in_lines_when_stderr_is_no_terminal() {
    let fake = Fake::start(|world| {
        world.jobs.push(Job {
            job_id: "j".into(),
            task_count: 10,
            ..Default::default()
        });
        for n in 0..10 {
            world.task(&format!("t{n}"), TaskState::Queued).job_id = "j".into();
        }
        world.then(|world| (0..10).for_each(|n| world.becomes(&format!("t{n}"), TaskState::Succeeded)));
    });
    let ended = fake.ctl(&["wait", "j"]);
    assert_eq!(ended.code, 0);
    let lines: Vec<&str> = ended.stderr.lines().collect();
    assert_eq!(
        (lines[0], lines[8], lines[9]),
        (
            "1 of 10 tasks ended",
            "9 of 10 tasks ended",
            "all 10 tasks succeeded"
        )
    );
}

#[test]
fn ctrl_c_and_sigterm_detach_and_say_how_to_go_on() {
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        for words in [
            &["wait", "a"][..],
            &["submit", "--id", "a", "--wait", "--", "sleep", "9"],
            &["run", "--id", "a", "-n", "--", "sleep", "9"],
        ] {
            let (opened, is_open) = mpsc::channel();
            let fake = Fake::start(|world| {
                if words[0] == "wait" {
                    world.task("a", TaskState::Running);
                }
                world.then(move |_| opened.send(()).unwrap());
            });
            let child = fake
                .command(words)
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            is_open.recv().unwrap();
            kill(Pid::from_raw(child.id().try_into().unwrap()), signal).unwrap();
            let output = child.wait_with_output().unwrap();
            let told = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(code), "{words:?}: {told}");
            let detached = "detached; what was waited for goes on. To wait again: swarmctl wait a\n";
            assert!(told.ends_with(detached), "{words:?}: {told}");
            assert!(!state_is_final(&fake), "{words:?}");
        }
    }
}

/// A program that has begun to write more than the pipe takes, which nobody reads on.
fn blocked(mut command: Command) -> Child {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut first = [0];
    child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
    child
}

/// So often a program is looked at, and gets a signal: of two that come together one is lost.
const LOOKS: usize = 500;

/// The signal that ends a program to which at most so many are sent; also as its exit code, when the program came to
/// hear the first one.
fn wait_for_the_end_by(mut child: Child, signal: Signal, signals: usize) -> Option<i32> {
    let pid = Pid::from_raw(child.id().try_into().unwrap());
    for look in 0..LOOKS {
        if let Some(status) = child.try_wait().unwrap() {
            return status.signal().or(status.code().map(|code| code - 128));
        }
        if look < signals {
            kill(pid, signal).unwrap();
        }
        thread::sleep(Duration::from_millis(20));
    }
    let _ = child.kill();
    child.wait().unwrap();
    None
}

#[test]
fn a_signal_after_the_wait_ends_the_program_and_so_does_a_second_one_within() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let fake = Fake::start(|world| {
            world.task("a", TaskState::Running).result = Some(TaskResult {
                attempt: 1,
                output: Some(Output {
                    stdout: vec![b'x'; 1 << 20],
                    ..Default::default()
                }),
            });
            world.then(|world| world.becomes("a", TaskState::Succeeded));
        });
        let printing = blocked(fake.command(&["logs", "-f", "a"]));
        assert_eq!(wait_for_the_end_by(printing, signal, 1), Some(signal as i32));

        let fake = Fake::start(|world| {
            for n in 0..3_000 {
                world.task(&format!("t{n}"), TaskState::Running);
                world.becomes(&format!("t{n}"), TaskState::Succeeded);
            }
        });
        let following = blocked(fake.command(&["events", "-f", "--from", "0", "-o", "jsonl"]));
        assert_eq!(wait_for_the_end_by(following, signal, LOOKS), Some(signal as i32));
    }
}

#[test]
fn how_long_to_wait_for_a_file_is_said_to_wait() {
    let fake = Fake::start(|_| {});
    let words = ["submit", "-f", "x.yaml", "--wait", "--timeout", "90m"];
    let ended = fake.ctl(&words);
    assert_eq!(ended.code, 2);
    assert!(
        ended
            .stderr
            .contains("submit without it and then: swarmctl wait last --timeout '1h 30m'\n"),
        "{}",
        ended.stderr
    );
    let ended = fake.ctl(&["submit", "-f", "x.yaml", "--timeout", "90m"]);
    assert!(!ended.stderr.contains("wait last"), "{}", ended.stderr);
}

fn state_is_final(fake: &Fake) -> bool {
    !matches!(
        fake.world().tasks[0].state(),
        TaskState::Queued | TaskState::Running
    )
}
