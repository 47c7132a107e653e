//! Jobs and agents by their names.

use swarm_proto::v1::{Agent, AgentState, Job, TaskState};

use crate::{
    fake::{Fake, World},
    terminal::on_a_terminal,
};

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
        (&["list", "nightly", "-q"], "done\n"),
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
        assert!(!ended.stderr.contains(" is job "), "{args:?}: {}", ended.stderr);
    }
    assert_eq!(fake.world().streams[0].job_ids, ["j3"]);
}

#[test]
fn an_agent_can_be_named_by_its_name() {
    let fake = Fake::start(some_names);
    let ended = fake.ctl(&["agent", "inspect", "lab-3", "-q"]);
    assert_eq!(
        (ended.code, ended.stdout.as_str(), ended.stderr.as_str()),
        (0, "a2\n", "")
    );
    assert_eq!(fake.ctl(&["inspect", "lab-3", "-q"]).stdout, "a2\n");
    fake.ctl(&["events", "lab-3", "nightly"]);
    let world = fake.world();
    let stream = world.streams.last().unwrap();
    assert_eq!(
        (&stream.agent_ids[..], &stream.job_ids[..]),
        (&["a2".to_owned()][..], &["j3".to_owned()][..])
    );
}

#[test]
fn agents_of_one_name_can_be_typed_as_they_are_shown() {
    let fake = Fake::start(|world| {
        for id in ["k3v7q2", "k3v7xx", "bnov6h"] {
            world.agents.push(Agent {
                agent_id: id.into(),
                name: "lab".into(),
                ..Default::default()
            });
        }
    });
    let table = fake.ctl(&["agent", "list"]).stdout;
    assert!(table.contains("lab/bnov"), "{table}");
    assert_eq!(fake.ctl(&["agent", "show", "lab/bnov", "-q"]).stdout, "bnov6h\n");
    for several in ["lab", "lab/k3v7"] {
        assert_eq!(fake.ctl(&["agent", "show", several]).code, 2, "{several}");
    }
    assert_eq!(fake.ctl(&["agent", "show", "lab/b"]).code, 4);
}

#[test]
fn a_task_is_completed_and_shown_by_the_names_that_it_goes_by() {
    let fake = Fake::start(some_names);
    let completed = |words: &[&str]| fake.ctl(&[&["complete-ids", "--"], words].concat()).stdout;
    assert_eq!(completed(&["submit", "--agent", ""]), "lab-1\nlab-3\n");
    assert_eq!(completed(&["run", "--agent", "lab-3"]), "lab-3\n");
    // An id would be a label that no agent has.
    assert_eq!(completed(&["submit", "--agent", "a"]), "");
    assert_eq!(completed(&["list", "--agent", "a"]), "a1\na2\n");
    let page = fake.ctl(&["inspect", "done"]).stdout;
    assert!(page.contains("nightly (j3)\n"), "{page}");
}

#[test]
fn of_agents_with_one_name_the_one_that_is_there_is_meant() {
    let fake = Fake::start(|world| {
        some_names(world);
        for (id, state) in [("a3", AgentState::Gone), ("a4", AgentState::Gone)] {
            world.agents.push(Agent {
                agent_id: id.into(),
                name: "lab-3".into(),
                state: state.into(),
                ..Default::default()
            });
        }
    });
    assert_eq!(fake.ctl(&["inspect", "lab-3", "-q"]).stdout, "a2\n");
    let shown = on_a_terminal(fake.command(&["inspect", "lab-3"]), None);
    assert!(
        shown.starts_with("lab-3 is agent a2; 2 more of this name said goodbye\r\n"),
        "{shown}"
    );
    fake.world().agents.push(Agent {
        agent_id: "a5".into(),
        name: "lab-3".into(),
        ..Default::default()
    });
    let ended = fake.ctl(&["drain", "lab-3"]);
    assert_eq!(
        (ended.code, ended.stderr.as_str()),
        (
            2,
            "error: 2 agents have the name lab-3: a2, a5\nhelp: give the id of the one that is meant\n"
        )
    );
}

#[test]
fn a_name_of_several_jobs_means_the_newest_for_every_verb() {
    let fake = Fake::start(|world| {
        some_names(world);
        for (id, job, state) in [
            ("old-1", "j1", TaskState::Failed),
            ("old-2", "j1", TaskState::Queued),
            ("new-1", "j2", TaskState::Failed),
            ("new-2", "j2", TaskState::Queued),
        ] {
            world.task(id, state).job_id = job.into();
        }
    });
    for (args, stdout) in [
        (&["inspect", "twin", "-q"][..], "j2\n"),
        (&["job", "show", "twin", "-q"], "j2\n"),
        (&["list", "twin", "-q"], "new-1\nnew-2\n"),
        (&["list", "--job", "twin", "-q"], "new-1\nnew-2\n"),
        (&["cancel", "twin", "-q"], "new-2\n"),
        (&["retry", "--failed", "--job", "twin", "--yes", "-q"], "new-1\n"),
        (&["cancel", "twin", "-q"], "new-1\n"),
        (&["retry", "twin", "-q"], "new-1\nnew-2\n"),
        (&["events", "twin", "-q"], ""),
        (&["events", "--job", "twin", "-q"], ""),
        (
            &["export", "--job", "twin", "--format", "execution_log.jsonl"],
            "",
        ),
    ] {
        let ended = fake.ctl(args);
        assert_eq!(
            (ended.code, ended.stdout.as_str()),
            (0, stdout),
            "{args:?}: {}",
            ended.stderr
        );
    }
    for stream in &fake.world().streams {
        assert_eq!(stream.job_ids, ["j2"]);
    }
    for id in ["new-1", "new-2"] {
        fake.world().becomes(id, TaskState::Succeeded);
    }
    assert_eq!(fake.ctl(&["wait", "twin"]).stderr, "1 task succeeded\n");
    let shown = on_a_terminal(fake.command(&["wait", "twin", "--timeout", "10s"]), None);
    assert!(
        shown.starts_with("twin is job j2, the newest of 2 with this name\r\n"),
        "{shown}"
    );
}

#[test]
fn a_name_that_is_also_the_id_of_its_first_run_means_the_newest() {
    let fake = Fake::start(|world| {
        for (id, task) in [("nt", "nt-old"), ("nt-2", "nt-new")] {
            world.jobs.push(Job {
                job_id: id.into(),
                name: "nt".into(),
                task_count: 1,
                ..Default::default()
            });
            world.task(task, TaskState::Failed).job_id = id.into();
        }
    });
    for (args, stdout) in [
        (&["inspect", "nt", "-q"][..], "nt-2\n"),
        (&["job", "show", "nt", "-q"], "nt-2\n"),
        (&["list", "nt", "-q"], "nt-new\n"),
        (&["list", "--job", "nt", "-q"], "nt-new\n"),
        (&["retry", "--failed", "--job", "nt", "--yes", "-q"], "nt-new\n"),
        (&["cancel", "nt", "-q"], "nt-new\n"),
        (&["retry", "nt", "-q"], "nt-new\n"),
        (&["events", "nt", "-q"], ""),
        (&["events", "--job", "nt", "-q"], ""),
    ] {
        let ended = fake.ctl(args);
        assert_eq!(
            (ended.code, ended.stdout.as_str()),
            (0, stdout),
            "{args:?}: {}",
            ended.stderr
        );
    }
    for stream in &fake.world().streams {
        assert_eq!(stream.job_ids, ["nt-2"]);
    }
    fake.world().becomes("nt-new", TaskState::Succeeded);
    assert_eq!(fake.ctl(&["wait", "nt"]).stderr, "1 task succeeded\n");
    let shown = on_a_terminal(fake.command(&["wait", "nt"]), None);
    let said = "nt is job nt-2, the newest of 2 with this name\r\n";
    assert!(shown.starts_with(said), "{shown}");
}

#[test]
fn a_task_called_like_a_job_is_meant_and_a_person_is_told() {
    let fake = Fake::start(|world| {
        for (id, name) in [("j1", "build"), ("test", "")] {
            world.jobs.push(Job {
                job_id: id.into(),
                name: name.into(),
                task_count: 1,
                ..Default::default()
            });
        }
        for id in ["build", "test", "other"] {
            world.task(id, TaskState::Queued);
        }
    });
    for (id, said) in [
        (
            "build",
            "build is a task here; the tasks of the job build: swarmctl list --job build\r\n",
        ),
        (
            "test",
            "test is a task here; the tasks of the job test: swarmctl list --job test\r\n",
        ),
        ("other", ""),
    ] {
        for verb in ["inspect", "cancel"] {
            let shown = on_a_terminal(fake.command(&[verb, id]), None);
            assert_eq!(
                shown.starts_with(said) && shown.contains(" is a task here"),
                !said.is_empty(),
                "{shown}"
            );
            let ended = fake.ctl(&[verb, id, "-q"]);
            assert_eq!(ended.stdout, format!("{id}\n"), "{}", ended.stderr);
        }
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
