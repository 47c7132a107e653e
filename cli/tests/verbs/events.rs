//! events: lines, JSON, and what happens when the stream is cut.

use std::{
    io::{BufRead as _, BufReader},
    process::Stdio,
};

use serde_json::{Value, json};
use swarm_proto::v1::{AttemptFailed, Job, LeaseGranted, TaskState, event::Payload};

use crate::fake::{Fake, World};

fn four_events(world: &mut World) {
    world.task("a", TaskState::Queued);
    world.task("b", TaskState::Queued);
    world.becomes("a", TaskState::Running);
    world.event(
        "a",
        "j",
        Payload::AttemptFailed(AttemptFailed {
            reason: "exit".into(),
            exit_code: Some(3),
            ..Default::default()
        }),
    );
    world.becomes("b", TaskState::Running);
    world.becomes("b", TaskState::Succeeded);
}

#[test]
fn events_are_lines_for_people() {
    let fake = Fake::start(four_events);
    let ended = fake.ctl(&["events"]);
    assert_eq!(ended.code, 0);
    assert_eq!(
        ended.stdout,
        "     1  03:04:01  lease_granted       a: lease_granted
     2  03:04:02  attempt_failed      a: attempt_failed
     3  03:04:03  lease_granted       b: lease_granted
     4  03:04:04  task_succeeded      b: task_succeeded
"
    );
    assert_eq!(fake.ctl(&["events", "--from", "3", "-q"]).stdout, "3\n4\n");
    assert_eq!(
        fake.ctl(&["events", "--task", "b", "--limit", "1", "-q"]).stdout,
        "3\n"
    );
    let ended = fake.ctl(&["events", "--task", "b", "--kind", "task_failed"]);
    assert_eq!(
        (ended.code, ended.stdout.as_str(), ended.stderr.as_str()),
        (0, "", "no events\n")
    );
}

#[test]
fn events_of_what_nobody_knows_are_not_found() {
    let fake = Fake::start(four_events);
    for noun in ["task", "job", "agent"] {
        for more in [&[][..], &["-o", "json"], &["--from", "0"]] {
            let ended = fake.ctl(&[&["events", &format!("--{noun}"), "nosuch"], more].concat());
            assert_eq!(
                (ended.code, ended.stdout.as_str()),
                (4, ""),
                "{noun} {more:?}: {}",
                ended.stderr
            );
            assert!(
                ended
                    .stderr
                    .contains(&format!("there is no {noun} nosuch, and no ")),
                "{}",
                ended.stderr
            );
        }
    }
    // Of a job that was removed there may still be events.
    let kept = fake.ctl(&["events", "--job", "j", "-q"]);
    assert_eq!((kept.code, kept.stdout.as_str()), (0, "2\n"), "{}", kept.stderr);
}

#[test]
fn events_begin_at_a_time() {
    let fake = Fake::start(four_events);
    let since = |time: &str, more: &[&str]| {
        let args = [&["events", "-q", "--since", time][..], more].concat();
        fake.ctl(&args).stdout
    };
    assert_eq!(since("2026-01-02T03:04:03Z", &[]), "3\n4\n");
    assert_eq!(since("2026-01-02T03:04:02Z", &["--limit", "2"]), "2\n3\n");
    assert_eq!(
        since("2026-01-02T03:04:03Z", &["--follow", "--limit", "2"]),
        "3\n4\n"
    );
    assert_eq!(since("2026-01-03", &[]), "");
}

#[test]
fn the_newest_or_the_first_events_are_told() {
    let fake = Fake::start(four_events);
    assert_eq!(fake.ctl(&["events", "-q", "-n", "2"]).stdout, "3\n4\n");
    assert_eq!(fake.ctl(&["events", "-q", "--limit", "2"]).stdout, "1\n2\n");
    let many = Fake::start(|world| {
        for n in 0..150 {
            let id = format!("t{n}");
            world.task(&id, TaskState::Queued);
            world.becomes(&id, TaskState::Running);
        }
    });
    let table = many.ctl(&["events"]).stdout;
    assert_eq!(table.lines().count(), 100, "{table}");
    assert!(table.lines().last().unwrap().contains("150"), "{table}");
    assert_eq!(many.ctl(&["events", "-q"]).stdout.lines().count(), 150);
}

#[test]
fn json_lines_are_flat() {
    let fake = Fake::start(four_events);
    let ended = fake.ctl(&["events", "-o", "jsonl", "--kind", "attempt_failed"]);
    let line: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(
        line,
        json!({
            "seq": 2, "time": "2026-01-02T03:04:02Z", "kind": "attempt_failed", "task_id": "a", "job_id": "j",
            "attempt": 1, "agent_id": "lab", "summary": "a: attempt_failed", "reason": "exit",
            "blame": "unspecified", "message": "", "exit_code": 3, "stdout_bytes": 0, "stderr_bytes": 0,
        })
    );
    let whole: Value = serde_json::from_str(&fake.ctl(&["events", "-o", "json"]).stdout).unwrap();
    assert_eq!(whole["events"].as_array().unwrap().len(), 4);
}

#[test]
fn a_cut_stream_goes_on_without_gap_or_repeat() {
    let fake = Fake::start(|world| {
        four_events(world);
        world.cuts = [1, 0, 2].into();
    });
    let ended = fake.ctl(&["events", "-f", "--from", "0", "--limit", "4", "-q"]);
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (0, "1\n2\n3\n4\n"),
        "{}",
        ended.stderr
    );
    let asked: Vec<_> = fake
        .world()
        .streams
        .iter()
        .map(|stream| (stream.from_seq, stream.limit, stream.history.clone()))
        .collect();
    let history = "h".to_owned();
    assert_eq!(
        asked,
        [
            (Some(0), 4, String::new()),
            (Some(2), 3, history.clone()),
            (Some(2), 3, history.clone()),
            (Some(4), 1, history)
        ]
    );
}

#[test]
fn a_listing_that_is_cut_is_completed() {
    let fake = Fake::start(|world| {
        four_events(world);
        world.cuts = [3].into();
    });
    assert_eq!(fake.ctl(&["events", "-q"]).stdout, "1\n2\n3\n4\n");
}

#[test]
fn following_begins_with_what_happens_from_now_on_even_if_the_first_stream_is_lost() {
    let fake = Fake::start(|world| {
        four_events(world);
        world.cuts = [0].into();
        world.then(|world| world.becomes("a", TaskState::Succeeded));
    });
    assert_eq!(fake.ctl(&["events", "-f", "--limit", "1", "-q"]).stdout, "5\n");
}

#[test]
fn the_newest_are_found_from_the_end_and_followed_from_there() {
    let fake = Fake::start(|world| {
        for n in 0..500 {
            let task = if n % 100 == 0 { "rare" } else { "usual" };
            world.event(task, "", Payload::LeaseGranted(LeaseGranted::default()));
        }
    });
    let seqs = |args: &[&str]| {
        let ended = fake.ctl(&[&["events", "-q"], args].concat());
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        ended.stdout.lines().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(seqs(&["-n", "3"]), "498 499 500");
    assert_eq!(seqs(&["--tail", "2", "--task", "rare"]), "301 401");
    assert_eq!(seqs(&["-n", "9", "--task", "rare"]), "1 101 201 301 401");
    assert_eq!(seqs(&["--from", "0", "--limit", "2"]), "1 2");
    // Of the journal no more is read than what has them.
    assert!(
        fake.world()
            .streams
            .iter()
            .any(|stream| stream.from_seq == Some(498))
    );

    let table = fake.ctl(&["events"]);
    assert_eq!(table.stdout.lines().count(), 100);
    assert_eq!(
        table.stderr,
        "the newest 100; all that are kept: swarmctl events --from 0\n"
    );
    assert_eq!(fake.ctl(&["events", "--from", "0"]).stdout.lines().count(), 500);
    assert_eq!(fake.ctl(&["events", "-o", "jsonl"]).stdout.lines().count(), 500);
}

#[test]
fn nothing_is_lost_between_the_newest_events_and_those_that_follow() {
    let fake = Fake::start(|world| {
        four_events(world);
        world.task("late", TaskState::Queued);
        world.after_stream = Some(Box::new(|world| world.becomes("late", TaskState::Running)));
    });
    let mut command = fake.command(&["events", "-q", "-f", "-n", "5", "--task", "late"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(line, "5\n");
}

#[test]
fn names_are_quoted_in_the_line_that_shows_the_rest() {
    let fake = Fake::start(|world| {
        let id = "night run; x";
        world.jobs.push(Job {
            job_id: "j".into(),
            name: id.into(),
            ..Default::default()
        });
        for _ in 0..101 {
            world.event("t", "j", Payload::LeaseGranted(LeaseGranted::default()));
        }
    });
    let ended = fake.ctl(&["events", "--job", "night run; x"]);
    assert_eq!(
        ended.stderr,
        "the newest 100; all that are kept: swarmctl events --from 0 --job 'night run; x'\n"
    );
}
