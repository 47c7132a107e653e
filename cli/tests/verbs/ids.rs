//! Ids by their beginnings, and `last`.

use swarm_proto::v1::{Agent, Explanation, Job, Output, TaskResult, TaskState};

use crate::{
    beginnings::longer_ids,
    fake::{Fake, World},
    terminal::on_a_terminal,
};

pub(crate) fn some_ids(world: &mut World) {
    world.task("k3v7q2", TaskState::Failed);
    world.task("k3", TaskState::Succeeded);
    world.task("x5t2n6", TaskState::Queued);
    world.jobs.push(Job {
        job_id: "x5job".into(),
        name: "k3v".into(),
        task_count: 1,
        number: 3,
        ..Default::default()
    });
    let newest = world.task("zz9", TaskState::Succeeded);
    newest.job_id = "x5job".into();
    newest.result = Some(TaskResult {
        attempt: 1,
        output: Some(Output::default()),
    });
    world.held.explanations.push(Explanation {
        task_id: "zz9".into(),
        ..Default::default()
    });
    for id in ["ab-1", "ab-2", "cd-1"] {
        world.agents.push(Agent {
            agent_id: id.into(),
            ..Default::default()
        });
    }
}

#[test]
fn the_beginning_of_one_id_names_it_for_every_verb() {
    let fake = Fake::start(some_ids);
    for (args, stdout, said) in [
        (&["inspect", "k3v7", "-q"][..], "k3v7q2\n", ""),
        (&["job", "show", "x5", "-q"], "x5job\n", ""),
        (&["list", "--job", "x5j", "-q"], "zz9\n", ""),
        (&["list", "x5j", "-q"], "zz9\n", ""),
        (&["agent", "show", "c", "-q"], "cd-1\n", ""),
        (&["inspect", "c", "-q"], "cd-1\n", ""),
        (&["logs", "zz", "-q"], "zz9\n", ""),
        (&["wait", "zz"], "", "zz is task zz9\n1 task succeeded\n"),
        (&["wait", "zz", "-q"], "", ""),
        (&["wait", "zz9", "zz9"], "", "1 task succeeded\n"),
        (&["retry", "k3v7", "-q", "--yes"], "k3v7q2\n", ""),
        (&["cancel", "x5t2", "-q", "--yes"], "x5t2n6\n", ""),
        (&["events", "--task", "zz"], "", "no events\n"),
        (&["events", "zz"], "", "no events\n"),
    ] {
        let ended = fake.ctl(args);
        assert_eq!(
            (ended.code, ended.stdout.as_str(), ended.stderr.as_str()),
            (0, stdout, said),
            "{args:?}"
        );
    }
}

#[test]
fn a_person_is_told_what_a_beginning_means_and_a_script_is_not() {
    let fake = Fake::start(some_ids);
    let shown = on_a_terminal(fake.command(&["inspect", "k3v7"]), None);
    assert!(shown.starts_with("k3v7 is task k3v7q2\r\n"), "{shown}");
    let shown = on_a_terminal(fake.command(&["inspect", "last"]), None);
    assert!(
        shown.starts_with("last is job x5job, the newest of everybody\r\n"),
        "{shown}"
    );
    let shown = on_a_terminal(fake.command(&["inspect", "k3v7", "-q"]), None);
    assert_eq!(shown, "k3v7q2\r\n");
    let ended = fake.ctl(&["inspect", "k3v7", "-o", "json"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
}

#[test]
fn who_means_a_task_is_not_asked_about_a_job() {
    let fake = Fake::start(longer_ids);
    let ended = fake.ctl(&["lease", "release", "report"]);
    assert_eq!(ended.code, 4);
    assert_eq!(
        ended.stderr,
        "error: cannot release the lease of report: it is a job\nhelp: its tasks: swarmctl list report-2026-11\n"
    );
}

#[test]
fn an_empty_word_names_nothing_and_nobody_is_asked() {
    let fake = Fake::start(some_ids);
    for args in [
        &["cancel", ""][..],
        &["wait", ""],
        &["logs", ""],
        &["inspect", ""],
        &["retry", ""],
        &["retry", "x5t2n6", ""],
        &["explain", " "],
        &["job", "show", ""],
        &["list", "--job", ""],
        &["cancel", "--queue", "", "--yes"],
        &["retry", "--text=", "--yes"],
        &["events", "--task", "zz9,"],
        &["submit", "--depends-on", "", "--", "true"],
        &["pause", "--queue", ""],
        &["drain", ""],
    ] {
        let ended = fake.ctl(args);
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{args:?}");
        assert!(
            ended.stderr.starts_with("error: invalid value '' for '")
                && ended.stderr.contains("is a variable unset?"),
            "{args:?}: {}",
            ended.stderr
        );
    }
    for stdin in ["", "\n", "  \n"] {
        assert_eq!(fake.ctl_with(&["cancel", "-"], stdin, &[]).code, 2);
    }
    let world = fake.world();
    assert!(world.lists.is_empty() && world.prefixes.is_empty() && world.submits.is_empty());
}

#[test]
fn a_whole_id_wins_and_is_not_looked_up_by_its_beginning() {
    let fake = Fake::start(some_ids);
    let ended = fake.ctl(&["inspect", "k3", "-q"]);
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("k3\n", ""));
    // A job's whole name comes first too.
    let ended = fake.ctl(&["inspect", "k3v", "-q"]);
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("x5job\n", ""));
    assert!(fake.world().prefixes.is_empty());
}

#[test]
fn a_job_whose_tasks_begin_with_its_id_is_told_to_be_one() {
    let fake = Fake::start(|world| {
        world.jobs.push(Job {
            job_id: "jj".into(),
            ..Default::default()
        });
        for id in ["jj-1", "jj-2"] {
            world.task(id, TaskState::Failed).job_id = "jj".into();
        }
    });
    for (verb, code, said) in [
        (
            "logs",
            4,
            "error: cannot show the output of jj: it is a job\nhelp: its tasks: swarmctl list jj\n",
        ),
        (
            "explain",
            4,
            "error: jj is a job, and only a task can be explained\nhelp: its tasks: swarmctl list jj\n",
        ),
    ] {
        let ended = fake.ctl(&[verb, "jj"]);
        assert_eq!((ended.code, ended.stderr.as_str()), (code, said), "{verb}");
    }
}

#[test]
fn a_retry_of_a_job_means_its_failed_and_cancelled_tasks() {
    let fake = Fake::start(|world| {
        world.jobs.push(Job {
            job_id: "j1".into(),
            name: "nightly".into(),
            ..Default::default()
        });
        for (id, state) in [
            ("one", TaskState::Failed),
            ("two", TaskState::Succeeded),
            ("three", TaskState::Cancelled),
        ] {
            world.task(id, state).job_id = "j1".into();
        }
        world.task("other", TaskState::Failed);
    });
    let ended = fake.ctl(&["retry", "nightly", "-q"]);
    assert_eq!(
        (ended.code, ended.stdout.as_str(), ended.stderr.as_str()),
        (0, "one\nthree\n", "")
    );
    assert_eq!(
        fake.ctl(&["retry", "j1"]).stderr,
        "job j1: none of its tasks is failed or cancelled\n"
    );
    let ended = fake.ctl(&["retry", "j1", "-q"]);
    assert_eq!(
        (ended.code, ended.stdout.as_str(), ended.stderr.as_str()),
        (0, "", "")
    );
}

#[test]
fn the_one_id_that_a_verb_takes_may_stand_on_standard_input() {
    let fake = Fake::start(some_ids);
    for verb in ["explain", "logs", "inspect"] {
        let ended = fake.ctl_with(&[verb, "-", "-q"], "zz9\n", &[]);
        assert_eq!(
            (ended.code, ended.stdout.as_str()),
            (0, "zz9\n"),
            "{verb}: {}",
            ended.stderr
        );
        let ended = fake.ctl_with(&[verb, "-"], "zz9\nk3\n", &[]);
        assert_eq!(
            (ended.code, ended.stderr),
            (
                2,
                format!(
                    "error: 2 ids were given on standard input, and one is shown at a time\n\
                     help: for each of them: … | xargs -n 1 swarmctl {verb}\n"
                )
            )
        );
    }
}

#[test]
fn last_is_what_this_user_submitted_where_others_submit_too() {
    let place = tempfile::tempdir().unwrap();
    let state = [("XDG_STATE_HOME", place.path().to_str().unwrap())];
    let fake = Fake::start(some_ids);
    let ctl = |args: &[&str]| fake.ctl_with(args, "", &state);
    // Nothing is known of this user yet: somebody else's task is not cancelled.
    for verb in ["cancel", "retry"] {
        let ended = ctl(&[verb, "last"]);
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{verb}");
        assert_eq!(
            ended.stderr,
            format!(
                "error: cannot {verb} last: last is what you submitted last, and from here that was nothing\n\
                 help: give the id; the newest of everybody is job x5job\n"
            )
        );
    }
    assert_eq!(ctl(&["inspect", "last", "-q"]).stdout, "x5job\n");

    assert_eq!(ctl(&["submit", "-q", "--id", "mine", "--", "true"]).code, 0);
    fake.world().task("others", TaskState::Queued);
    assert_eq!(ctl(&["inspect", "last", "-q"]).stdout, "mine\n");
    let file = "id: my-job\ntasks: [{id: first, run: x}, {id: second, run: y}]";
    let submitted = fake.ctl_with(&["submit", "-"], file, &state);
    assert_eq!(submitted.code, 0, "{}", submitted.stderr);
    fake.world().task("newer", TaskState::Queued);
    assert_eq!(ctl(&["inspect", "last", "-q"]).stdout, "my-job\n");
    assert_eq!(
        ctl(&["explain", "last", "-q"]).code,
        4,
        "the fake explains nothing"
    );
    assert_eq!(ctl(&["list", "last", "-q"]).stdout, "first\nsecond\n");
    assert_eq!(ctl(&["cancel", "last", "-q"]).stdout, "first\nsecond\n");
    // The coordinator by another of its addresses.
    let port = fake.address.port();
    let elsewhere = [state[0], ("SWARM_COORDINATOR", &*format!("localhost:{port}"))];
    let ended = fake.ctl_with(&["job", "show", "last", "-q"], "", &elsewhere);
    assert_eq!(ended.stdout, "my-job\n", "{}", ended.stderr);
    assert_eq!(ctl(&["submit", "-q", "--id", "mine-2", "--", "true"]).code, 0);
    assert_eq!(ctl(&["cancel", "last", "-q"]).stdout, "mine-2\n");
    assert_eq!(ctl(&["job", "show", "last", "-q"]).stdout, "my-job\n");

    // Another user has nothing of this, also when it is submitted once more: that starts nothing.
    let place = tempfile::tempdir().unwrap();
    let another = [("XDG_STATE_HOME", place.path().to_str().unwrap())];
    assert_eq!(fake.ctl_with(&["submit", "-"], file, &another).code, 11);
    let repeat = ["submit", "-q", "--id", "mine", "--", "true"];
    assert_eq!(fake.ctl_with(&repeat, "", &another).code, 11);
    assert_eq!(fake.ctl_with(&["cancel", "last", "-q"], "", &another).code, 2);
    assert_eq!(fake.ctl(&["inspect", "last", "-q"]).stdout, "mine-2\n");
    assert_eq!(fake.ctl(&["cancel", "last", "-q"]).code, 2);
}

#[test]
fn last_is_the_newest_task_or_job() {
    let fake = Fake::start(some_ids);
    for (args, stdout) in [
        // The newest task belongs to a job.
        (&["inspect", "last", "-q"][..], "x5job\n"),
        (&["job", "show", "last", "-q"], "x5job\n"),
        (&["logs", "last", "-q"], "zz9\n"),
        (&["list", "--job", "last", "-q"], "zz9\n"),
        (&["explain", "last", "-q"], "zz9\n"),
    ] {
        let ended = fake.ctl(args);
        assert_eq!(
            (ended.code, ended.stdout.as_str(), ended.stderr.as_str()),
            (0, stdout, ""),
            "{args:?}"
        );
    }
    // Also where a task and a job have that very id.
    fake.world().task("last", TaskState::Queued).number = 0;
    fake.world().tasks.rotate_right(1);
    let job_id = "last".to_owned();
    fake.world().jobs.insert(
        0,
        Job {
            job_id,
            ..Default::default()
        },
    );
    assert_eq!(fake.ctl(&["inspect", "last", "-q"]).stdout, "x5job\n");
    assert_eq!(fake.ctl(&["job", "show", "last", "-q"]).stdout, "x5job\n");
    for verb in ["logs", "explain"] {
        assert_eq!(fake.ctl(&[verb, "last", "-q"]).stdout, "zz9\n", "{verb}");
    }
    for verb in ["cancel", "retry"] {
        assert_eq!(fake.ctl(&[verb, "last", "--yes"]).code, 2, "{verb}");
    }
    assert_eq!(fake.ctl(&["lease", "release", "last"]).code, 2);
    let nothing = Fake::start(|_| {});
    assert_eq!(nothing.ctl(&["inspect", "last"]).code, 4);
}
