//! A machine that lacks a program does not fail a list of tasks: each goes elsewhere, and the machine is given little.

use std::{collections::BTreeMap, os::unix::fs::symlink};

use swarm_proto::v1::{Blame, NewTask, Retry, TaskState, event::Payload, task_spec::Work};

use crate::harness::{
    PATIENCE,
    agent::RealAgent,
    client::{Client, shell_task, with},
    coordinator::Coordinator,
    wait_for,
};

/// Three slots on each machine, so that several attempts fail before the first failure is known.
const SLOTS: [&str; 2] = ["--slots", "3"];

fn without_retries(task: NewTask) -> NewTask {
    with(task, |spec| {
        spec.retry = Some(Retry {
            max_retries: Some(0),
            ..Retry::default()
        });
    })
}

/// Installs a program where only the tasks of this agent find it: in their HOME.
fn install(agent: &RealAgent) {
    let home = agent.state_dir();
    let home = home.parent().unwrap();
    symlink("/bin/sleep", home.join("tool")).unwrap();
}

fn failed_attempts(client: &Client) -> BTreeMap<String, usize> {
    let mut failed: BTreeMap<String, usize> = BTreeMap::new();
    for event in client.all_events() {
        if let Some(Payload::AttemptFailed(_)) = event.payload {
            *failed.entry(event.agent_id).or_default() += 1;
        }
    }
    failed
}

fn wait_for_slots(client: &Client, slots: u64) {
    wait_for(&format!("{slots} slots are online"), PATIENCE, || {
        (client.status().slots == slots).then_some(())
    });
}

#[test]
fn a_machine_without_a_program_costs_a_few_attempts_and_no_task() {
    let mut coordinator = Coordinator::start();
    let client = coordinator.client();
    let sound = ["one", "two"].map(|name| RealAgent::start(&coordinator, name, &SLOTS));
    sound.iter().for_each(install);
    let _sick = RealAgent::start(&coordinator, "sick", &SLOTS);
    wait_for_slots(&client, 9);

    let ids: Vec<String> = (0..60).map(|n| format!("t{n}")).collect();
    let task = |id: &String| without_retries(shell_task(id, "exec \"$HOME/tool\" 0.3"));
    client.submit(ids.iter().map(task).collect());
    for id in &ids {
        let task = client.wait_for_state(id, TaskState::Succeeded);
        assert_eq!(task.tries.unwrap().failures, 0, "{id}");
    }
    let failed = failed_attempts(&client);
    let wasted: usize = failed.values().sum();
    assert!(wasted > 0, "the sick machine was never given a task");
    // Its three slots fail once, and perhaps once more after a pause.
    assert!(
        failed.len() == 1 && wasted <= 6,
        "attempts were wasted: {failed:?}"
    );

    assert_eq!(client.status().agents.unwrap().slowed, 1);
    for words in [&["agent", "list"][..], &["status"]] {
        let told = coordinator.swarmctl(words).expect(0).stdout;
        assert!(told.contains("◔ slowed"), "{told}");
    }
    let log = coordinator.program().log();
    assert!(
        log.contains("failed what it was given, so it is given nothing"),
        "{log}"
    );
}

#[test]
fn two_machines_without_a_program_are_slowed_and_cost_no_task() {
    let coordinator = Coordinator::start();
    let client = coordinator.client();
    let sound = RealAgent::start(&coordinator, "sound", &SLOTS);
    install(&sound);
    let _sick = ["ill", "sick"].map(|name| RealAgent::start(&coordinator, name, &SLOTS));
    wait_for_slots(&client, 9);

    let ids: Vec<String> = (0..60).map(|n| format!("t{n}")).collect();
    // A failure on both is the task's own.
    let task = |id: &String| {
        with(shell_task(id, "exec \"$HOME/tool\" 0.2"), |spec| {
            spec.retry = Some(Retry {
                max_retries: Some(5),
                ..Retry::default()
            });
        })
    };
    client.submit(ids.iter().map(task).collect());
    wait_for("both are slowed", PATIENCE, || {
        (client.status().agents.unwrap().slowed == 2).then_some(())
    });
    for id in &ids {
        client.wait_for_state(id, TaskState::Succeeded);
    }
    assert_eq!(failed_attempts(&client).len(), 2);
}

#[test]
fn a_program_that_two_machines_lack_is_the_tasks_fault_and_slows_neither() {
    let coordinator = Coordinator::start();
    let client = coordinator.client();
    let _agents = ["one", "two"].map(|name| RealAgent::start(&coordinator, name, &SLOTS));
    wait_for_slots(&client, 6);
    let task = with(without_retries(shell_task("t", "")), |spec| {
        let Some(Work::Command(command)) = &mut spec.work else {
            unreachable!("it is a command")
        };
        command.argv = vec!["no-such-program".to_owned()];
    });
    client.submit(vec![task]);
    let task = client.wait_for_state("t", TaskState::Failed);
    let blamed: Vec<Blame> = task.attempts.iter().map(|attempt| attempt.blame()).collect();
    assert_eq!(blamed, [Blame::Machine, Blame::Task]);
    assert_ne!(task.attempts[0].agent_id, task.attempts[1].agent_id);
    assert_eq!(
        task.reason,
        "failed once: two machines could not start its command"
    );
    assert_eq!(client.status().agents.unwrap().slowed, 0);
    let told = coordinator.swarmctl(&["explain", "t"]).expect(0).stdout;
    assert!(told.contains("two machines could not start"), "{told}");
}

#[test]
fn the_only_agent_that_could_run_a_task_fails_it_at_once() {
    let coordinator = Coordinator::start();
    let client = coordinator.client();
    let _only = RealAgent::start(&coordinator, "only", &SLOTS);
    wait_for_slots(&client, 3);
    let nowhere = with(without_retries(shell_task("cwd", "true")), |spec| {
        let Some(Work::Command(command)) = &mut spec.work else {
            unreachable!("it is a command")
        };
        command.cwd = "/no/such/directory".to_owned();
    });
    client.submit(vec![
        without_retries(shell_task("line", "no-such-program")),
        nowhere,
    ]);
    for id in ["line", "cwd"] {
        let task = client.wait_for_state(id, TaskState::Failed);
        assert_eq!((task.attempt_count, task.tries.unwrap().failures), (1, 1), "{id}");
        assert!(
            task.reason.contains("no other agent could run it"),
            "{}",
            task.reason
        );
    }
    assert_eq!(client.status().agents.unwrap().slowed, 0);
}

#[test]
fn a_list_with_one_mistake_slows_its_machines_once_at_most() {
    let mut coordinator = Coordinator::start();
    let client = coordinator.client();
    let _agents = ["one", "two"].map(|name| RealAgent::start(&coordinator, name, &SLOTS));
    wait_for_slots(&client, 6);
    let ids: Vec<String> = (0..20).map(|n| format!("t{n}")).collect();
    let mistyped = |id: &String| without_retries(shell_task(id, "pyhton3 -c 'print(1)'"));
    client.submit(ids.iter().map(mistyped).collect());
    for id in &ids {
        client.wait_for_state(id, TaskState::Failed);
    }
    assert_eq!(client.status().agents.unwrap().slowed, 0);
    let log = coordinator.program().log();
    let slowed = log
        .matches("failed what it was given, so it is given nothing")
        .count();
    // All slots of both may fail before the second machine is heard.
    assert!(slowed <= 6, "{log}");
}
