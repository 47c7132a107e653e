//! Ids by their beginnings, and `last`.

use swarm_proto::v1::{Agent, Explanation, Job, Output, TaskResult, TaskState};

use crate::fake::{Fake, World};

fn some_ids(world: &mut World) {
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
        (
            &["inspect", "k3v7", "-q"][..],
            "k3v7q2\n",
            "k3v7 is task k3v7q2\n",
        ),
        (&["job", "show", "x5", "-q"], "x5job\n", "x5 is job x5job\n"),
        (&["list", "--job", "x5j", "-q"], "zz9\n", "x5j is job x5job\n"),
        (&["agent", "show", "c", "-q"], "cd-1\n", "c is agent cd-1\n"),
        (&["logs", "zz", "-q"], "zz9\n", "zz is task zz9\n"),
        (&["wait", "zz"], "", "zz is task zz9\n1 task succeeded\n"),
        (&["retry", "k3v7", "-q"], "k3v7q2\n", "k3v7 is task k3v7q2\n"),
        (&["cancel", "x5t", "-q"], "x5t2n6\n", "x5t is task x5t2n6\n"),
        (&["events", "--task", "zz"], "", "zz is task zz9\nno events\n"),
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
fn a_whole_id_wins_and_is_not_looked_up_by_its_beginning() {
    let fake = Fake::start(some_ids);
    let ended = fake.ctl(&["inspect", "k3", "-q"]);
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("k3\n", ""));
    // A job's whole name comes first too.
    let ended = fake.ctl(&["inspect", "k3v", "-q"]);
    assert_eq!(
        (ended.stdout.as_str(), ended.stderr.as_str()),
        ("x5job\n", "k3v is job x5job\n")
    );
    assert!(fake.world().prefixes.is_empty());
}

#[test]
fn a_beginning_of_several_ids_names_none_and_tells_them() {
    let fake = Fake::start(|world| {
        some_ids(world);
        for n in 0..12 {
            world.task(&format!("many-{n:02}"), TaskState::Queued);
        }
    });
    for (args, sentence) in [
        (
            &["cancel", "x5"][..],
            "several ids begin with x5: task x5t2n6 and job x5job",
        ),
        (
            &["agent", "show", "ab"],
            "several ids begin with ab: agent ab-1 and agent ab-2",
        ),
        (
            &["inspect", "many"],
            "several ids begin with many: task many-00, task many-01, task many-02, task many-03, task many-04, \
             task many-05, task many-06, task many-07, task many-08, task many-09 and more",
        ),
    ] {
        let ended = fake.ctl(args);
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{args:?}");
        assert_eq!(
            ended.stderr,
            format!("error: {sentence}\nhelp: give more of the one that is meant\n")
        );
    }
    let ended = fake.ctl(&["inspect", "nothing"]);
    assert_eq!(ended.code, 4, "{}", ended.stderr);
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
            "retry",
            2,
            "error: jj is a job, and tasks are retried\n\
             help: its failed and cancelled tasks: swarmctl retry --job jj\n",
        ),
        (
            "logs",
            4,
            "error: cannot show the output of jj: it is a job\nhelp: its tasks: swarmctl list --job jj\n",
        ),
        (
            "explain",
            4,
            "error: jj is a job, and only a task can be explained\nhelp: its tasks: swarmctl list --job jj\n",
        ),
    ] {
        let ended = fake.ctl(&[verb, "jj"]);
        assert_eq!((ended.code, ended.stderr.as_str()), (code, said), "{verb}");
    }
    assert!(fake.world().retries.is_empty());
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
fn last_is_the_newest_task_or_job_and_it_is_said_which() {
    let fake = Fake::start(some_ids);
    for (args, stdout, said) in [
        // The newest task belongs to a job.
        (&["inspect", "last", "-q"][..], "x5job\n", "last is job x5job\n"),
        (&["job", "show", "last", "-q"], "x5job\n", "last is job x5job\n"),
        (&["logs", "last", "-q"], "zz9\n", "last is task zz9\n"),
        (&["list", "--job", "last", "-q"], "zz9\n", "last is job x5job\n"),
        (&["explain", "last", "-q"], "zz9\n", "last is task zz9\n"),
    ] {
        let ended = fake.ctl(args);
        assert_eq!(
            (ended.code, ended.stdout.as_str(), ended.stderr.as_str()),
            (0, stdout, said),
            "{args:?}"
        );
    }
    fake.world().task("single", TaskState::Queued);
    let ended = fake.ctl(&["cancel", "last", "-q"]);
    assert_eq!(
        (ended.stdout.as_str(), ended.stderr.as_str()),
        ("single\n", "last is task single\n")
    );
    // A task with the id `last` is meant before the newest one.
    fake.world().task("last", TaskState::Queued).number = 0;
    assert_eq!(fake.ctl(&["inspect", "last", "-q"]).stdout, "last\n");
    let nothing = Fake::start(|_| {});
    assert_eq!(nothing.ctl(&["inspect", "last"]).code, 4);
}
