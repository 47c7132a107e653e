//! Jobs and agents by their names.

use swarm_proto::v1::{Agent, Job, TaskState};

use crate::fake::{Fake, World};

/// A job called nightly with a task of each state, two jobs called twin, and two agents.
fn some_names(world: &mut World) {
    world.page_size = 2;
    for (id, name) in [
        ("j1", "twin"),
        ("j2", "twin"),
        ("j3", "nightly"),
        ("j4", "my job"),
    ] {
        world.jobs.push(Job {
            job_id: id.into(),
            name: name.into(),
            task_count: 1,
            ..Default::default()
        });
    }
    world.task("done", TaskState::Succeeded).job_id = "j3".into();
    world.task("mine", TaskState::Queued).job_id = "j4".into();
    for (id, name) in [("a1", "lab-1"), ("a2", "lab-3")] {
        world.agents.push(Agent {
            agent_id: id.into(),
            name: name.into(),
            ..Default::default()
        });
    }
}

#[test]
fn a_job_can_be_named_by_its_name_wherever_its_id_can() {
    let fake = Fake::start(some_names);
    for (args, stdout) in [
        (&["wait", "nightly", "-q"][..], ""),
        (&["list", "--job", "nightly", "-q"], "done\n"),
        (&["inspect", "nightly", "-q"], "j3\n"),
        (&["job", "inspect", "nightly", "-q"], "j3\n"),
        (&["cancel", "my job", "-q"], "mine\n"),
        (&["retry", "--failed", "--job", "nightly"], ""),
        (&["events", "--job", "nightly"], ""),
    ] {
        let ended = fake.ctl(args);
        assert_eq!(
            (ended.code, ended.stdout.as_str()),
            (0, stdout),
            "{args:?}: {}",
            ended.stderr
        );
        let said = ["nightly is job j3\n", "my job is job j4\n"];
        assert!(
            said.iter().any(|line| ended.stderr.starts_with(line)),
            "{args:?}: {}",
            ended.stderr
        );
    }
    assert_eq!(fake.world().streams[0].job_ids, ["j3"]);
}

#[test]
fn an_agent_can_be_named_by_its_name() {
    let fake = Fake::start(some_names);
    let ended = fake.ctl(&["agent", "inspect", "lab-3", "-q"]);
    assert_eq!(
        (ended.code, ended.stdout.as_str(), ended.stderr.as_str()),
        (0, "a2\n", "lab-3 is agent a2\n")
    );
}

#[test]
fn a_name_of_several_names_none() {
    let fake = Fake::start(some_names);
    for args in [
        &["wait", "twin"][..],
        &["cancel", "twin"],
        &["job", "inspect", "twin"],
    ] {
        let ended = fake.ctl(args);
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{args:?}");
        assert_eq!(
            ended.stderr,
            "error: 2 jobs have the name twin: j1, j2\nhelp: give the id of the one that is meant\n"
        );
    }
}

#[test]
fn a_bare_name_is_asked_what_it_is_of() {
    let fake = Fake::start(some_names);
    for verb in ["pause", "resume"] {
        let ended = fake.ctl(&[verb, "lab-3"]);
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""));
        assert!(
            ended
                .stderr
                .contains("say what it is: --queue lab-3, or --agent lab-3"),
            "{}",
            ended.stderr
        );
    }
    let ended = fake.ctl(&["retry", "nightly"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (2, ""));
    assert_eq!(
        ended.stderr,
        "nightly is job j3\nerror: nightly is a job, and tasks are retried\n\
         help: its failed and cancelled tasks: swarmctl retry --job j3\n"
    );
}

#[test]
fn verbs_answer_to_the_names_they_have_elsewhere() {
    let fake = Fake::start(some_names);
    for (usual, other) in [
        (&["list"][..], &["ls"][..]),
        (&["inspect", "done"], &["show", "done"]),
        (&["job", "list"], &["jobs", "ls"]),
        (&["agent", "list"], &["agents", "ls"]),
        (&["queue", "list"], &["queues", "ls"]),
        (&["completions", "bash"], &["completion", "bash"]),
    ] {
        let (expected, ended) = (fake.ctl(usual), fake.ctl(other));
        assert_eq!(
            (ended.code, ended.stdout),
            (expected.code, expected.stdout),
            "{other:?}"
        );
    }
}
