//! remove: ended tasks go before their time, and what others need stays.

use serde_json::Value;
use swarm_proto::v1::{Job, TaskState};

use crate::fake::Fake;

#[test]
fn ended_tasks_are_removed_by_id_by_job_and_by_their_end() {
    let fake = Fake::start(|world| {
        world.jobs.push(Job {
            job_id: "j".into(),
            name: "nightly".into(),
            ..Default::default()
        });
        for (id, state) in [
            ("j1", TaskState::Succeeded),
            ("j2", TaskState::Queued),
            ("j3", TaskState::Failed),
        ] {
            world.task(id, state).job_id = "j".into();
        }
        for (id, second) in [("old", 1), ("young", 30)] {
            world.task(id, TaskState::Cancelled).end_time = crate::fake::at(second);
        }
        world.task("single", TaskState::Succeeded).end_time = crate::fake::at(30);
    });
    let removed = |args: &[&str]| {
        let ended = fake.ctl(&[&["remove", "-q"], args].concat());
        (ended.code, ended.stdout, ended.stderr)
    };
    assert_eq!(
        removed(&["nightly"]),
        (0, "j1\nj3\n".to_owned(), String::new()),
        "what has not ended stays"
    );
    assert_eq!(removed(&["single"]).1, "single\n");
    assert_eq!(removed(&["single"]).0, 4);
    let before = ["--ended-before", "2026-01-02T03:04:10Z"];
    let listed = removed(&[&before[..], &["--dry-run"]].concat());
    assert_eq!((listed.0, listed.1.as_str()), (0, "old\n"));
    assert_eq!(removed(&before).0, 2, "nobody can be asked");
    assert_eq!(removed(&[&before[..], &["--yes"]].concat()).1, "old\n");
    assert_eq!(
        removed(&["--state", "queued"]).2,
        "error: cannot remove tasks that are queued: they have not ended\n"
    );
    assert_eq!(removed(&[]).0, 2);
    let left: Vec<String> = fake
        .world()
        .tasks
        .iter()
        .map(|task| task.task_id.clone())
        .collect();
    assert_eq!(left, ["j2", "young"]);
    let told = fake.ctl(&["remove", "j2", "--dry-run"]);
    assert_eq!(told.code, 0);
    assert!(
        told.stderr.starts_with("j2 has not ended: it is queued\n"),
        "{}",
        told.stderr
    );
    assert_eq!(removed(&["j2"]).0, 3);
}

#[test]
fn a_removal_whose_answer_was_lost_removes_nothing_else_when_it_is_repeated() {
    let fake = Fake::start(|world| {
        for id in ["first", "again"] {
            world.task(id, TaskState::Succeeded);
        }
    });
    fake.world().lost_answers = 1;
    let ended = fake.ctl(&["remove", "first", "-o", "json"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert_eq!(fake.world().lost_answers, 0);
    let answer: Value = serde_json::from_str(&ended.stdout).unwrap();
    let change = &answer["results"][0];
    assert_eq!(
        (&change["state"], change.get("refusal")),
        (&"succeeded".into(), None)
    );
    // Another task has the id, or the same one came back and ended anew.
    fake.world().changed_meanwhile = vec!["again".into()];
    let ended = fake.ctl(&["remove", "again"]);
    assert_eq!(ended.code, 3, "{}", ended.stderr);
    assert_eq!(fake.world().tasks.len(), 1);
}

#[test]
fn what_others_need_stays_and_is_a_fault_for_who_named_it_alone() {
    let fake = Fake::start(|world| {
        world.jobs.push(Job {
            job_id: "j".into(),
            name: "nightly".into(),
            ..Default::default()
        });
        for id in ["j1", "j2"] {
            world.task(id, TaskState::Succeeded).job_id = "j".into();
        }
        world.needed.push("j1".into());
    });
    let stays = "1 task stays: others depend on that and have not ended, or were skipped and may come back\n";
    let ended = fake.ctl(&["remove", "nightly"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (0, stays));
    let ended = fake.ctl(&["remove", "--job", "nightly", "--yes"]);
    assert_eq!(
        (ended.code, ended.stderr),
        (0, format!("0 tasks removed\n{stays}"))
    );
    let ended = fake.ctl(&["remove", "j1"]);
    assert_eq!(ended.code, 3);
    assert!(
        ended.stderr.contains("error: cannot remove j1: it is needed\n"),
        "{}",
        ended.stderr
    );
    assert!(ended.stderr.contains("swarmctl remove ID…"), "{}", ended.stderr);
}

#[test]
fn a_dry_run_of_a_removal_says_that_what_others_need_stays() {
    let fake = Fake::start(|world| {
        world.task("a", TaskState::Succeeded);
        world.needed.push("a".into());
    });
    for words in [&["a"][..], &["--state", "succeeded"]] {
        let ended = fake.ctl(&[&["remove", "--dry-run"], words].concat());
        assert_eq!(
            (ended.code, ended.stderr.as_str()),
            (
                0,
                "dry run: 1 task would be removed; what another task needs stays\n"
            ),
            "{words:?}"
        );
    }
}
