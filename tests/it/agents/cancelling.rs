//! A cancel may come before the work, in it or after it: a cancelled task says which.

use std::fs;

use swarm_proto::v1::{CancelTasksRequest, CancelledWork, TaskState};

use crate::harness::{
    PATIENCE,
    agent::RealAgent,
    client::{Client, quoted, shell_task},
    coordinator::Coordinator,
    fake_agent::FakeAgent,
    wait_for,
};

fn cancelled(client: &Client, id: &str) -> CancelledWork {
    client.wait_for_state(id, TaskState::Cancelled).cancelled_work()
}

#[test]
fn a_cancelled_task_says_what_had_become_of_its_work() {
    let coordinator = Coordinator::start();
    let client = coordinator.client();
    let mut agent = FakeAgent::register(&coordinator, "a");
    client.submit(["done", "lost", "waits"].map(|id| shell_task(id, "true")).into());
    let leases: Vec<_> = agent.claim_now(2).assignments;
    for id in ["done", "lost", "waits"] {
        client.cancel(id);
    }
    assert!(agent.succeed(leases[0].lease.as_ref().unwrap(), "").accepted);
    // It comes back without the other lease, as after a crash.
    agent.register_again(|_| {}).unwrap();

    assert_eq!(cancelled(&client, "done"), CancelledWork::Succeeded);
    assert_eq!(cancelled(&client, "lost"), CancelledWork::Unknown);
    assert_eq!(cancelled(&client, "waits"), CancelledWork::NotStarted);

    let told = |words: &[&str], code| coordinator.swarmctl(words).expect(code).stdout;
    for words in [&["list"][..], &["wait", "done", "lost", "waits"]] {
        let told = told(words, if words[0] == "wait" { 1 } else { 0 });
        for shown in ["(had succeeded)", "(lost)", "(not started)"] {
            assert!(told.contains(&format!("⊘ cancelled {shown}")), "{told}");
        }
    }
    for (words, expected) in [
        (
            &["inspect", "done"][..],
            "its attempt had succeeded before it was told",
        ),
        (
            &["explain", "lost"],
            "its attempt was lost, and may have done its work",
        ),
        (
            &["events", "--from", "0", "--task", "done"],
            "task done was cancelled; attempt 1 had succeeded",
        ),
        (
            &["inspect", "waits", "-o", "json"],
            r#""cancelled_work": "not_started""#,
        ),
    ] {
        let told = told(words, 0);
        assert!(told.contains(expected), "{words:?}: {told}");
    }
}

#[test]
fn of_many_tasks_cancelled_at_their_end_each_says_whether_it_had_done_its_work() {
    const TASKS: usize = 60;
    let coordinator = Coordinator::start();
    let client = coordinator.client();
    let _agent = RealAgent::start(&coordinator, "a", &["--slots", "4"]);
    let marks = coordinator.dir().join("marks");
    fs::create_dir(&marks).unwrap();
    let mark = |id: &str| marks.join(id);
    let mut seen = Vec::new();
    // How long the work takes besides the start of its shell: the cancel comes near its end, on any machine.
    let mut seconds = 0.02;
    for n in 0..TASKS {
        let id = format!("t{n}");
        let line = format!("sleep {seconds}; echo x > {}", quoted(&mark(&id)));
        client.submit(vec![shell_task(&id, &line)]);
        client.wait_for_event(&id, "lease_granted");
        // It may be too late, and is refused then.
        let request = CancelTasksRequest {
            task_ids: vec![id.clone()],
        };
        client.call(client.task_service().cancel_tasks(request)).unwrap();
        let task = wait_for(&format!("{id} has ended"), PATIENCE, || {
            let task = client.task(&id);
            task.end_time.is_some().then_some(task)
        });
        let has_worked = mark(&id).exists();
        match (task.state(), task.cancelled_work()) {
            (TaskState::Succeeded, CancelledWork::Unspecified) => assert!(has_worked, "{id}"),
            (TaskState::Cancelled, CancelledWork::Succeeded) => assert!(has_worked, "{id}"),
            (TaskState::Cancelled, CancelledWork::Ended) => {}
            other => panic!("{id} is {other:?}"),
        }
        seconds *= if task.cancelled_work() == CancelledWork::Ended {
            0.7
        } else {
            1.5
        };
        seen.push(task.cancelled_work());
    }
    assert!(
        seen.contains(&CancelledWork::Ended),
        "no task was ended: {seen:?}"
    );
}
