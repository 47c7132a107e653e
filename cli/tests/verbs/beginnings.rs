//! The beginning of an id: what it may stand for, and that it changes nothing unasked.

use std::{fs::File, io::Write as _, process::Stdio};

use nix::pty::openpty;
use swarm_proto::v1::{Agent, Job, TaskState};

use crate::{
    fake::{Fake, World},
    ids::some_ids,
    terminal::typed_on_a_terminal,
};

#[test]
fn few_characters_are_too_few_to_change_something() {
    let fake = Fake::start(|world| {
        some_ids(world);
        world.task("abc", TaskState::Queued);
    });
    for (args, said) in [
        (
            &["cancel", "x5t"][..],
            "error: cannot cancel x5t: 'x5t' is too short to be sure that task x5t2n6 is meant\n\
             help: to cancel it: swarmctl cancel x5t2n6\n",
        ),
        (
            &["retry", "zz", "--yes"],
            "error: cannot retry zz: 'zz' is too short to be sure that task zz9 is meant\n\
             help: to retry it: swarmctl retry zz9 --yes\n",
        ),
        (
            &["cancel", "--job", "x5j", "--yes"],
            "error: cannot look for the job x5j: 'x5j' is too short to be sure that job x5job is meant\n\
             help: to cancel its tasks: swarmctl cancel --job x5job --yes\n",
        ),
        (
            &["drain", "cd"],
            "error: cannot look for the agent cd: 'cd' is too short to be sure that agent cd-1 is meant\n\
             help: to drain it: swarmctl drain cd-1\n",
        ),
        (
            &["lease", "release", "x5t"],
            "error: cannot release the lease of x5t: 'x5t' is too short to be sure that task x5t2n6 is meant\n\
             help: to release its lease: swarmctl lease release x5t2n6\n",
        ),
    ] {
        let ended = fake.ctl(args);
        assert_eq!(
            (ended.code, ended.stdout.as_str(), ended.stderr.as_str()),
            (2, "", said),
            "{args:?}"
        );
    }
    // A whole id may be as short as it likes.
    assert_eq!(fake.ctl(&["cancel", "abc", "-q"]).stdout, "abc\n");
}

/// A task whose whole id was removed, a job of last month, and an agent, each with a longer id.
pub(crate) fn longer_ids(world: &mut World) {
    world.task("deploy-prod", TaskState::Running).attempt_count = 1;
    world.task("build-17", TaskState::Failed);
    world.task("done-long-ago", TaskState::Succeeded);
    world.jobs.push(Job {
        job_id: "report-2026-11".into(),
        task_count: 2,
        ..Default::default()
    });
    for id in ["first", "second"] {
        world.task(id, TaskState::Queued).job_id = "report-2026-11".into();
    }
    world.agents.push(Agent {
        agent_id: "bjiyg5o76yhpidjc".into(),
        name: "lab-3".into(),
        ..Default::default()
    });
}

#[test]
fn a_change_by_the_beginning_of_an_id_is_refused_where_nobody_can_be_asked() {
    let fake = Fake::start(longer_ids);
    let deploy = "'deploy' is the beginning of task deploy-prod (running), and a change needs the whole id";
    let report = "'report' is the beginning of job report-2026-11 (2 of its 2 tasks not ended), and a change needs \
                  the whole id";
    let agent =
        "'bjiyg5' is the beginning of agent bjiyg5o76yhpidjc (lab-3), and a change needs the whole id";
    for (args, sentence, help) in [
        (
            &["cancel", "deploy"][..],
            format!("cannot cancel deploy: {deploy}"),
            "to cancel it: swarmctl cancel deploy-prod",
        ),
        (
            &["cancel", "report"],
            format!("cannot cancel report: {report}"),
            "to cancel it: swarmctl cancel report-2026-11",
        ),
        (
            &["retry", "buil"],
            "cannot retry buil: 'buil' is the beginning of task build-17 (failed), and a change needs the whole id"
                .to_owned(),
            "to retry it: swarmctl retry build-17",
        ),
        (
            &["remove", "done-lo"],
            "cannot remove done-lo: 'done-lo' is the beginning of task done-long-ago (succeeded), and a change needs \
             the whole id"
                .to_owned(),
            "to remove it: swarmctl remove done-long-ago",
        ),
        (
            &["lease", "release", "deploy"],
            format!("cannot release the lease of deploy: {deploy}"),
            "to release its lease: swarmctl lease release deploy-prod",
        ),
        (
            &["cancel", "--job", "report", "--state", "queued"],
            format!("cannot look for the job report: {report}"),
            "to cancel its tasks: swarmctl cancel --job report-2026-11 --state queued",
        ),
        // A script that has --yes with every filter has not thought of beginnings.
        (
            &["cancel", "--job=report", "--yes"],
            format!("cannot look for the job report: {report}"),
            "to cancel its tasks: swarmctl cancel --job=report-2026-11 --yes",
        ),
        (
            &["retry", "--failed", "--agent", "bjiyg5", "--yes"],
            format!("cannot look for the agent bjiyg5: {agent}"),
            "to retry its tasks: swarmctl retry --failed --agent bjiyg5o76yhpidjc --yes",
        ),
        (
            &["pause", "--agent", "bjiyg5"],
            format!("cannot look for the agent bjiyg5: {agent}"),
            "to pause it: swarmctl pause --agent bjiyg5o76yhpidjc",
        ),
        (
            &["agent", "forget", "bjiyg5"],
            format!("cannot look for the agent bjiyg5: {agent}"),
            "to forget it: swarmctl agent forget bjiyg5o76yhpidjc",
        ),
    ] {
        let ended = fake.ctl(args);
        assert_eq!(
            (ended.code, ended.stdout.as_str(), ended.stderr.as_str()),
            (2, "", &*format!("error: {sentence}\nhelp: {help}\n")),
            "{args:?}"
        );
    }
    let ended = fake.ctl(&["cancel", "deploy", "-o", "json"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (2, ""));
    assert!(ended.stderr.contains("\"exit_code\":2"), "{}", ended.stderr);
    // An id from standard input is on no line to type.
    let ended = fake.ctl_with(&["cancel", "-"], "deploy\n", &[]);
    assert_eq!(ended.code, 2);
    assert!(
        ended.stderr.ends_with("to cancel it: give the id deploy-prod\n"),
        "{}",
        ended.stderr
    );
    let states: Vec<TaskState> = fake.world().tasks.iter().map(|task| task.state()).collect();
    let before = [TaskState::Running, TaskState::Failed, TaskState::Succeeded];
    assert_eq!(states, [&before[..], &[TaskState::Queued; 2]].concat());
    assert!(fake.world().retries.is_empty());
}

#[test]
fn a_doubt_about_one_word_keeps_all_of_them_from_being_changed() {
    let fake = Fake::start(longer_ids);
    let ended = fake.ctl(&["cancel", "first", "deploy", "-q"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (2, ""));
    assert!(
        ended.stderr.starts_with("error: cannot cancel deploy: "),
        "{}",
        ended.stderr
    );
    assert!(
        !fake
            .world()
            .calls
            .iter()
            .any(|call| call.ends_with("/CancelTasks"))
    );
}

#[test]
fn nobody_is_asked_who_would_not_see_the_question() {
    let fake = Fake::start(longer_ids);
    for (words, said) in [
        (
            &["cancel", "deploy"][..],
            "error: cannot cancel deploy: 'deploy' is the beginning of task deploy-prod (running), and a change \
             needs the whole id\n",
        ),
        (
            &["cancel", "--state", "running"],
            "error: not confirmed: cancel 1 task (1 running)\nhelp: standard error is no terminal to ask on: add \
             --yes\n",
        ),
    ] {
        let pty = openpty(None, None).unwrap();
        let child = fake
            .command(words)
            .stdin(pty.slave)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Who asked all the same would take this for the answer.
        File::from(pty.master.try_clone().unwrap())
            .write_all(b"y\n")
            .unwrap();
        let output = child.wait_with_output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(told.starts_with(said), "{told}");
        assert_eq!(output.status.code(), Some(2), "{told}");
    }
}

#[test]
fn a_person_is_asked_about_the_beginning_of_an_id_before_a_change() {
    let fake = Fake::start(longer_ids);
    let (shown, code) = typed_on_a_terminal(fake.command(&["cancel", "deploy"]), "n\n");
    // The terminal shows what is typed before it is asked for.
    assert!(
        shown.contains("\r\n'deploy' is the beginning of task deploy-prod (running). Cancel it? [y/N] "),
        "{shown}"
    );
    assert!(
        shown.ends_with("error: cannot cancel deploy: it was not confirmed\r\n"),
        "{shown}"
    );
    assert_eq!(code, 1);
    assert_eq!(fake.world().tasks[0].state(), TaskState::Running);

    let (shown, code) = typed_on_a_terminal(fake.command(&["cancel", "deploy"]), "y\n");
    assert_eq!(code, 0, "{shown}");
    assert_ne!(fake.world().tasks[0].state(), TaskState::Running);

    let (shown, code) = typed_on_a_terminal(fake.command(&["drain", "bjiyg5"]), "n\n");
    let asked = "'bjiyg5' is the beginning of agent bjiyg5o76yhpidjc (lab-3). Drain it? [y/N] ";
    assert!(shown.contains(asked) && code == 1, "{shown}");

    // The flag is the answer, and the meaning is told.
    let ended = fake.ctl(&["retry", "buil", "--yes"]);
    let told = "'buil' is the beginning of task build-17 (failed)\n";
    assert_eq!((ended.code, ended.stderr.as_str()), (0, told));
    let ended = fake.ctl(&["cancel", "report", "--dry-run", "-q"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "first\nsecond\n"));
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
