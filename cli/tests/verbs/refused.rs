//! What submit, run and import refuse or are refused, and what they say to type instead.

use swarm_proto::{reason::Reason, v1::Job};

use crate::{fake::Fake, submit::one_agent};

#[test]
fn a_job_that_is_depended_on_is_told_to_be_one_and_how_to_name_its_tasks() {
    let fake = Fake::start(|world| {
        one_agent(world);
        world.jobs.push(Job {
            job_id: "j1".into(),
            name: "nightly".into(),
            task_count: 3,
            ..Default::default()
        });
    });
    let refuse = || {
        let message = "nightly is neither in this request nor known to the coordinator";
        fake.world().refusal = Some((Reason::DependencyUnknown, message, Vec::new()));
    };
    for verb in [&["submit"][..], &["run"]] {
        refuse();
        let ended = fake.ctl(&[verb, &["--depends-on", "gone,nightly", "--", "true"]].concat());
        assert_eq!(ended.code, 2, "{}", ended.stderr);
        let told = "help: nightly is a job of 3 tasks, and a dependency is a task; for all of them: --depends-on \
                    \"$(swarmctl list --job nightly -q | paste -sd, -)\"\n";
        assert!(ended.stderr.ends_with(told), "{}", ended.stderr);
        assert!(!ended.stderr.contains("gone is a job"), "{}", ended.stderr);
    }
    refuse();
    let file = "tasks: [{id: a, run: x, depends_on: nightly}]";
    let ended = fake.ctl_with(&["submit", "-"], file, &[]);
    let told =
        "nightly is a job of 3 tasks, and a dependency is a task: its ids: swarmctl list --job nightly -q\n";
    assert!(ended.stderr.ends_with(told), "{}", ended.stderr);
}

#[test]
fn a_changed_file_with_ids_is_told_how_to_run_under_new_ones() {
    let fake = Fake::start(one_agent);
    for reason in [Reason::TaskExists, Reason::JobExists] {
        fake.world().refusal = Some((reason, "a exists", Vec::new()));
        let ended = fake.ctl_with(&["submit", "-"], "tasks: [{id: a, run: x}]", &[]);
        assert!(
            ended.stderr.contains("swarmctl submit --again -f FILE"),
            "{}",
            ended.stderr
        );
    }
}

#[test]
fn nothing_new_may_be_called_last() {
    let fake = Fake::start(one_agent);
    let why = "'last' stands for what was submitted last, so no task or job can be called so\n";
    for (args, stdin, place) in [
        (&["submit", "--id", "last", "--", "true"][..], "", "error: --id: "),
        (&["run", "--id", "last", "--", "true"], "", "error: --id: "),
        (
            &["submit", "--array", "1-2", "--id", "last", "--", "true"],
            "",
            "error: --id: ",
        ),
        (
            &["submit", "--array", "1-2", "--name", "last", "--", "true"],
            "",
            "error: --name: ",
        ),
        (
            &["submit", "-"],
            "tasks:\n- run: x\n  id: last\n",
            "stdin:3:7: `id`: ",
        ),
        (
            &["submit", "-"],
            "id: last\ntasks: [{run: x}]",
            "stdin:1:5: `id`: ",
        ),
        (
            &["submit", "-"],
            "name: last\ntasks: [{run: x}]",
            "stdin:1:7: `name`: ",
        ),
        (
            &["submit", "-", "--prefix", "la"],
            "tasks: [{id: st, run: x}]",
            "stdin:1:14: `id`: ",
        ),
        (
            &["import", "-"],
            "tasks:\n- run: x\n  id: last\n",
            "stdin:3:7: `id`: ",
        ),
    ] {
        let ended = fake.ctl_with(args, stdin, &[]);
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{args:?}");
        assert!(
            ended.stderr.contains(&format!("{place}{why}")),
            "{args:?}: {}",
            ended.stderr
        );
    }
    assert!(fake.world().submits.is_empty());
    // A prefix makes another id of it.
    let ended = fake.ctl_with(
        &["submit", "-q", "-", "--prefix", "t:"],
        "tasks: [{id: last, run: x}]",
        &[],
    );
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (0, "t:last\n"),
        "{}",
        ended.stderr
    );
}
