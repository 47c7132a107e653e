//! logs: what tasks printed.

use serde_json::{Value, json};
use swarm_proto::v1::{Output, TaskResult, TaskState};

use crate::{fake::Fake, look::failed_task};

#[test]
fn logs_without_output_are_json_all_the_same() {
    let fake = Fake::start(|world| {
        world.task("t", TaskState::Running);
    });
    let ended = fake.ctl(&["logs", "t", "-o", "json"]);
    let result: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(result, json!({ "attempt": 0 }));
    assert!(ended.stderr.contains("no output of t yet"), "{}", ended.stderr);
}

#[test]
fn logs_keep_the_streams_apart_and_say_what_was_cut() {
    let fake = Fake::start(failed_task);
    let ended = fake.ctl(&["logs", "build"]);
    assert_eq!(ended.stdout, "one\ntwo\n");
    assert_eq!(
        ended.stderr,
        "bad\nstdout was cut: of 97.6 KiB only the last 8 B are kept\n"
    );
    let ended = fake.ctl(&["logs", "build", "--stream", "stderr"]);
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("", "bad\n"));
    assert_eq!(
        fake.ctl(&["logs", "build", "--tail", "1", "--stream", "stdout"])
            .stdout,
        "two\n"
    );
    let ended = fake.ctl(&["logs", "build", "--attempt", "7"]);
    assert_eq!(ended.code, 4);
    assert!(ended.stderr.contains("--attempt 1"), "{}", ended.stderr);
}

#[test]
fn logs_wait_for_the_end_when_followed() {
    let fake = Fake::start(|world| {
        world.task("t", TaskState::Running);
        world.then(|world| {
            let output = Output {
                stdout: b"done\n".to_vec(),
                stdout_bytes: 5,
                ..Default::default()
            };
            world.tasks[0].result = Some(TaskResult {
                attempt: 1,
                output: Some(output),
            });
            world.becomes("t", TaskState::Succeeded);
        });
    });
    let ended = fake.ctl(&["logs", "t"]);
    assert_eq!(ended.stdout, "");
    assert!(
        ended.stderr.contains("no output of t yet: it is running"),
        "{}",
        ended.stderr
    );
    assert_eq!(fake.ctl(&["logs", "-f", "t"]).stdout, "done\n");
}
