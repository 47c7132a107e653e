//! cancel and retry.

use serde_json::Value;
use swarm_proto::v1::{Job, TaskState};

use crate::{
    fake::{Fake, World},
    terminal::typed_on_a_terminal,
};

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
fn cancel_of_what_runs_says_that_its_agent_ends_it() {
    let fake = Fake::start(|world| {
        world.agents_are_slow_to_end = true;
        for id in ["a", "b"] {
            world.task(id, TaskState::Running);
        }
        world.task("c", TaskState::Queued);
    });
    for (ids, told) in [
        (
            &["a", "c"][..],
            "a runs until its agent, which is told now, has ended it\n",
        ),
        (
            &["a", "b"],
            "2 tasks run until their agents, which are told now, have ended them\n",
        ),
        (&["c"], ""),
    ] {
        let ended = fake.ctl(&[&["cancel"], ids].concat());
        assert_eq!((ended.code, ended.stderr.as_str()), (0, told), "{ids:?}");
    }
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
    let unasked = fake.ctl(&["retry", "--failed"]);
    assert_eq!(unasked.code, 2);
    assert!(
        unasked.stderr.starts_with("error: not confirmed: retry 4 tasks"),
        "{}",
        unasked.stderr
    );
    assert!(fake.world().retries.is_empty());
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

/// Two queued tasks, a running and a failed one, and one that has succeeded; three of them in a queue.
fn mixed(world: &mut World) {
    for (id, state, queue) in [
        ("a", TaskState::Queued, "slow"),
        ("b", TaskState::Running, "slow"),
        ("c", TaskState::Queued, ""),
        ("d", TaskState::Failed, "slow"),
        ("e", TaskState::Succeeded, ""),
    ] {
        world.task(id, state).spec.as_mut().unwrap().queue = queue.into();
    }
}

#[test]
fn what_a_filter_finds_is_changed_when_that_is_confirmed() {
    let fake = Fake::start(mixed);
    // Nobody can be asked.
    let ended = fake.ctl(&["cancel", "--queue", "slow"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (2, ""));
    assert_eq!(
        ended.stderr,
        "error: not confirmed: cancel 2 tasks (1 queued, 1 running)\n\
         help: standard input is no terminal to ask on: add --yes\n"
    );
    let (shown, code) = typed_on_a_terminal(fake.command(&["cancel", "--queue", "slow"]), "n\n");
    assert!(
        shown.contains("cancel 2 tasks (1 queued, 1 running)? [y/N] "),
        "{shown}"
    );
    assert!(
        shown.contains("nothing was cancelled") && code == 1,
        "{code}: {shown}"
    );
    assert_eq!(fake.world().tasks[0].state(), TaskState::Queued);

    let (shown, code) = typed_on_a_terminal(fake.command(&["cancel", "--queue", "slow"]), "y\n");
    assert!(
        shown.contains("2 tasks cancelled") && code == 0,
        "{code}: {shown}"
    );
    let states: Vec<TaskState> = fake.world().tasks.iter().map(|task| task.state()).collect();
    let cancelled = TaskState::Cancelled;
    assert_eq!(states[..3], [cancelled, cancelled, TaskState::Queued]);

    let ended = fake.ctl(&["cancel", "--all", "--yes", "-q"]);
    assert_eq!(
        (ended.code, ended.stdout.as_str(), ended.stderr.as_str()),
        (0, "c\n", "")
    );
    let ended = fake.ctl(&["cancel", "--all"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (0, "nothing to cancel\n"));
    let ended = fake.ctl(&["retry", "--all", "--yes", "-q"]);
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (0, "a\nb\nc\nd\n"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_dry_run_lists_what_would_be_changed_and_changes_nothing() {
    let fake = Fake::start(mixed);
    for (args, stdout, said) in [
        (
            &["cancel", "--all"][..],
            "a\nb\nc\n",
            "dry run: 3 tasks would be cancelled\n",
        ),
        (
            &["cancel", "--state", "running"],
            "b\n",
            "dry run: 1 task would be cancelled\n",
        ),
        (
            &["cancel", "a", "e"],
            "a\n",
            "e has ended: it is succeeded\ndry run: 1 task would be cancelled\n",
        ),
        (
            &["retry", "--failed"],
            "d\n",
            "dry run: 1 task would be retried\n",
        ),
        (
            &["retry", "--state", "succeeded"],
            "e\n",
            "dry run: 1 task would be retried\n",
        ),
        (&["retry", "d"], "d\n", "dry run: 1 task would be retried\n"),
    ] {
        let ended = fake.ctl(&[args, &["--dry-run", "-q"]].concat());
        assert_eq!(
            (ended.code, ended.stdout.as_str(), ended.stderr.as_str()),
            (0, stdout, ""),
            "{args:?}"
        );
        assert_eq!(
            fake.ctl(&[args, &["--dry-run"]].concat()).stderr,
            said,
            "{args:?}"
        );
    }
    assert!(fake.world().retries.is_empty());
    assert_eq!(fake.world().tasks[0].state(), TaskState::Queued);
}

#[test]
fn ids_and_filters_do_not_mix_and_one_of_them_is_needed() {
    let fake = Fake::start(mixed);
    for args in [
        &["cancel"][..],
        &["retry"],
        &["cancel", "a", "--all"],
        &["cancel", "a", "--queue", "slow"],
        &["cancel", "--all", "--queue", "slow"],
        &["retry", "a", "--failed"],
        &["retry", "--failed", "--state", "cancelled"],
        &["cancel", "--yes"],
    ] {
        assert_eq!(fake.ctl(args).code, 2, "{args:?}");
    }
    for (args, sentence) in [
        (
            &["cancel", "--state", "queued,failed"][..],
            "cannot cancel tasks that are failed: they have ended",
        ),
        (
            &["retry", "--state", "running"],
            "cannot retry tasks that are running: they have not ended",
        ),
    ] {
        let ended = fake.ctl(args);
        assert_eq!((ended.code, ended.stderr), (2, format!("error: {sentence}\n")));
    }
}

#[test]
fn many_are_changed_in_batches_and_refusals_are_summed_up() {
    let fake = Fake::start(|world| {
        for n in 0..2_300 {
            world.task(&format!("t{n:04}"), TaskState::Failed);
        }
        // Each request finds some that have changed since they were listed.
        world.changed_meanwhile = vec!["t0003".into(), "t0004".into(), "t1700".into(), "t2000".into()];
    });
    let ended = fake.ctl(&["retry", "--failed", "--yes"]);
    assert_eq!(ended.code, 3);
    assert_eq!(
        ended.stderr,
        "and 2196 more\n2296 tasks retried\nerror: cannot retry 4 of 2300 tasks\n\
         \u{20} t0003, t0004, t1700 and 1 more: it changed meanwhile\n\
         help: a task changed meanwhile: look at it with swarmctl inspect ID, and try again\n"
    );
    assert_eq!(ended.stdout.lines().count(), 101);
    let sizes: Vec<usize> = fake
        .world()
        .retries
        .iter()
        .map(|request| request.tasks.len())
        .collect();
    assert_eq!(sizes, [1_000, 1_000, 300]);
}

#[test]
fn what_ended_before_it_could_be_cancelled_is_no_failure() {
    let fake = Fake::start(|world| {
        mixed(world);
        world.changed_meanwhile = vec!["b".into()];
    });
    let ended = fake.ctl(&["cancel", "--queue", "slow", "--yes"]);
    assert_eq!(
        (ended.code, ended.stderr.as_str()),
        (0, "1 task cancelled; 1 had ended meanwhile\n")
    );
    assert!(
        ended.stdout.lines().nth(1).unwrap().starts_with("a "),
        "{}",
        ended.stdout
    );
}

#[test]
fn who_names_nothing_is_told_of_the_filters() {
    let fake = Fake::start(|_| {});
    for verb in ["cancel", "retry"] {
        let ended = fake.ctl(&[verb]);
        assert_eq!(ended.code, 2, "{}", ended.stderr);
        for part in ["<ID>...", "--job JOB", "--state STATE", "--all"] {
            assert!(ended.stderr.contains(part), "{part} is not in\n{}", ended.stderr);
        }
    }
}

#[test]
fn a_dry_run_names_whose_state_does_not_allow_the_change() {
    let fake = Fake::start(|world| {
        world.task("runs", TaskState::Running);
        world.task("failed", TaskState::Failed);
    });
    for (verb, told) in [
        (
            "retry",
            "runs has not ended: it is running\ndry run: 1 task would be retried\n",
        ),
        (
            "remove",
            "runs has not ended: it is running\ndry run: 1 task would be removed; what another task needs stays\n",
        ),
        (
            "cancel",
            "failed has ended: it is failed\ndry run: 1 task would be cancelled\n",
        ),
    ] {
        let ended = fake.ctl(&[verb, "--dry-run", "runs", "failed"]);
        assert_eq!((ended.code, ended.stderr.as_str()), (0, told), "{verb}");
        assert_eq!(ended.stdout.lines().count(), 2, "{verb}: {}", ended.stdout);
    }
}

#[test]
fn many_ids_are_looked_up_together_and_each_means_what_it_does_alone() {
    let fake = Fake::start(|world| {
        for n in 0..100 {
            world.task(&format!("t{n:02}"), TaskState::Queued);
        }
        world.jobs.push(Job {
            job_id: "j1".into(),
            name: "nightly".into(),
            ..Job::default()
        });
        world.task("of-the-job", TaskState::Queued).job_id = "j1".into();
    });
    let ids: String = (0..100).map(|n| format!("t{n:02}\n")).collect();
    let ended = fake.ctl_with(&["cancel", "-q", "nobody", "nightly", "-"], &ids, &[]);
    assert!(
        ended.stderr.contains("there is no task 'nobody'"),
        "{}",
        ended.stderr
    );
    let cancelled: Vec<&str> = ended.stdout.lines().collect();
    assert_eq!((ended.code, cancelled.len()), (4, 101));
    assert_eq!(
        (cancelled[0], cancelled[1], cancelled[100]),
        ("of-the-job", "t00", "t99")
    );
}

/// What a change of more tasks than one request takes tells when its second request is refused.
fn begun(words: &[&str], state: TaskState, stdin: &str) -> crate::fake::Ended {
    let fake = Fake::start(|world| {
        for n in 0..1_001 {
            world.task(&format!("t{n:04}"), state);
        }
        world.changed_meanwhile = vec!["t0001".into(), "t1000".into()];
        world.changes_until_refused = Some(1);
    });
    fake.ctl_with(words, stdin, &[])
}

#[test]
fn what_was_changed_before_a_request_failed_is_told_and_so_is_what_was_refused() {
    let ids: String = (0..1_001).map(|n| format!("t{n:04}\n")).collect();
    for (verb, done, state, refused, changed, flags) in [
        (
            "cancel",
            "cancelled",
            TaskState::Queued,
            "t0001: it has succeeded",
            999,
            &["--all", "--yes"][..],
        ),
        (
            "retry",
            "retried",
            TaskState::Failed,
            "t0001: it changed meanwhile",
            999,
            &["--failed", "--yes"],
        ),
        (
            "remove",
            "removed",
            TaskState::Failed,
            "t1000: it changed meanwhile",
            249,
            &["--state", "failed", "--yes"],
        ),
    ] {
        for (words, stdin) in [(flags, ""), (&["-"], ids.as_str())] {
            let ended = begun(&[&[verb], words].concat(), state, stdin);
            let told = format!(
                "{changed} tasks were {done} before it failed\ncannot {verb} {refused}\n\
                 error: cannot {verb}: not this one"
            );
            assert!(ended.stderr.contains(&told), "{verb} {words:?}: {}", ended.stderr);
            assert_eq!(
                (ended.code, ended.stdout.lines().count()),
                (2, 101),
                "{verb} {words:?}"
            );
            let ended = begun(&[&[verb, "-q"], words].concat(), state, stdin);
            assert_eq!(ended.stdout.lines().count(), changed, "{verb} {words:?}");
        }
    }
}
