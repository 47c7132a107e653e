//! cancel and retry.

use serde_json::Value;
use swarm_proto::v1::{Job, TaskState};

use crate::fake::Fake;

#[test]
fn cancel_tells_what_became_of_each() {
    let fake = Fake::start(|world| {
        world.task("a", TaskState::Queued);
        world.task("b", TaskState::Succeeded);
    });
    let ended = fake.ctl(&["cancel", "a", "b", "c"]);
    assert_eq!(ended.code, 3);
    assert_eq!(ended.stdout, "ID  STATE\na   ⊘ cancelled\n");
    assert_eq!(
        ended.stderr,
        "error: cannot cancel 2 of 3 tasks\n  b: it has succeeded\n  c: there is no task 'c'\n\
         help: swarmctl list shows the tasks there are\n"
    );
    let ended = fake.ctl(&["cancel", "c"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (4, ""));
    assert!(
        ended
            .stderr
            .starts_with("error: cannot cancel c: there is no task 'c'\n"),
        "{}",
        ended.stderr
    );
}

#[test]
fn cancel_of_a_job_cancels_what_has_not_ended() {
    let fake = Fake::start(|world| {
        world.page_size = 1;
        world.jobs.push(Job {
            job_id: "j".into(),
            task_count: 3,
            ..Default::default()
        });
        for (id, state) in [
            ("j1", TaskState::Succeeded),
            ("j2", TaskState::Queued),
            ("j3", TaskState::Running),
        ] {
            world.task(id, state).job_id = "j".into();
        }
    });
    let ended = fake.ctl_with(&["cancel", "-q", "-"], "j\n", &[]);
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (0, "j2\nj3\n"),
        "{}",
        ended.stderr
    );
}

#[test]
fn retry_carries_the_revision_it_saw() {
    let fake = Fake::start(|world| {
        world.task("a", TaskState::Failed);
        world.task("b", TaskState::Queued);
    });
    let ended = fake.ctl(&["retry", "a", "b", "nosuch"]);
    assert_eq!(ended.code, 3);
    assert_eq!(ended.stdout, "ID  STATE\na   ○ queued\n");
    assert!(
        ended
            .stderr
            .contains("  nosuch: there is no task 'nosuch'\n  b: it has not ended\n"),
        "{}",
        ended.stderr
    );
    let world = fake.world();
    let revisions: Vec<_> = world.retries[0].tasks.iter().map(|task| task.revision).collect();
    assert_eq!(revisions, [Some(11), Some(12)]);
}

#[test]
fn retry_failed_goes_page_by_page() {
    let fake = Fake::start(|world| {
        world.page_size = 2;
        for n in 0..5 {
            world.task(
                &format!("t{n}"),
                if n == 1 {
                    TaskState::Succeeded
                } else {
                    TaskState::Failed
                },
            );
        }
    });
    let ended = fake.ctl(&["retry", "--failed", "--yes", "-o", "json"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let answer: Value = serde_json::from_str(&ended.stdout).unwrap();
    let ids: Vec<_> = answer["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| &change["task_id"])
        .collect();
    assert_eq!(ids, ["t0", "t2", "t3", "t4"]);
    assert_eq!(fake.world().retries.len(), 1);
    assert_eq!(fake.ctl(&["retry", "--failed"]).stderr, "nothing to retry\n");
}
