//! A job with a wide fan-in and long chains, over several agents, watched through the event stream.

use std::{collections::BTreeMap, thread};

use swarm_proto::v1::{Event, NewJob, NewTask, StreamEventsRequest, SubmitTasksRequest};

use crate::harness::{
    agent::RealAgent,
    client::{Client, after, assert_gapless, count_by_task, shell_task, with},
    coordinator::Coordinator,
};

const RAYS: usize = 300;
const CHAINS: usize = 5;
const CHAIN_LENGTH: usize = 100;
const TASKS: usize = 1000;

#[test]
fn a_thousand_tasks_succeed_once_each_in_order_and_the_stream_shows_it_without_a_gap() {
    let coordinator = Coordinator::start();
    let client = coordinator.client();
    let tasks = tasks();
    assert_eq!(tasks.len(), TASKS);
    let dependencies: BTreeMap<String, Vec<String>> = tasks
        .iter()
        .map(|task| {
            let on = &task.spec.as_ref().unwrap().depends_on;
            (
                task.task_id.clone(),
                on.iter().map(|on| on.task_id.clone()).collect(),
            )
        })
        .collect();
    let address = coordinator.address().to_owned();
    let watcher = thread::spawn(move || watch(&address));

    let job = NewJob {
        job_id: "big".to_owned(),
        name: "big".to_owned(),
        ..Default::default()
    };
    client
        .call(client.task_service().submit_tasks(SubmitTasksRequest {
            job: Some(job),
            tasks,
        }))
        .unwrap();
    let _agents: Vec<_> = ["a", "b", "c"]
        .map(|name| RealAgent::start(&coordinator, name, &["--slots", "8"]))
        .into();
    coordinator.swarmctl(&["wait", "big"]).expect(0);

    let seen = watcher.join().unwrap();
    let events = client.all_events();
    assert_eq!(
        seen[..],
        events[..seen.len()],
        "two readers of the same positions saw different events"
    );

    for kind in ["task_submitted", "lease_granted", "task_succeeded"] {
        let counts = count_by_task(&events, kind);
        assert_eq!(counts.len(), TASKS, "{kind}");
        assert!(counts.values().all(|&count| count == 1), "{kind}: {counts:?}");
    }
    let seq_of = |kind: &str| -> BTreeMap<&str, u64> {
        let of_kind = events.iter().filter(|event| event.kind == kind);
        of_kind.map(|event| (event.task_id.as_str(), event.seq)).collect()
    };
    let (granted, succeeded) = (seq_of("lease_granted"), seq_of("task_succeeded"));
    for (task, on) in &dependencies {
        for dependency in on {
            assert!(
                succeeded[dependency.as_str()] < granted[task.as_str()],
                "{task} was granted before {dependency} had succeeded"
            );
        }
    }
    let agents: std::collections::BTreeSet<&str> = events
        .iter()
        .filter(|event| event.kind == "lease_granted")
        .map(|event| event.agent_id.as_str())
        .collect();
    assert_eq!(agents.len(), 3, "not every agent had a share");
}

/// A star of `RAYS` tasks around a hub, a few chains, and tasks behind the hub that fill up to `TASKS`.
fn tasks() -> Vec<NewTask> {
    let rays: Vec<String> = (0..RAYS).map(|n| format!("ray-{n}")).collect();
    let mut tasks: Vec<NewTask> = rays.iter().map(|id| shell_task(id, ":")).collect();
    tasks.push(with(shell_task("hub", ":"), |spec| {
        spec.depends_on = after(rays.iter().map(String::as_str))
    }));
    for chain in 0..CHAINS {
        for link in 0..CHAIN_LENGTH {
            tasks.push(with(shell_task(&format!("chain-{chain}-{link}"), ":"), |spec| {
                if link > 0 {
                    spec.depends_on = after([format!("chain-{chain}-{}", link - 1).as_str()]);
                }
            }));
        }
    }
    for n in tasks.len()..TASKS {
        tasks.push(with(shell_task(&format!("behind-{n}"), ":"), |spec| {
            spec.depends_on = after(["hub"])
        }));
    }
    tasks
}

/// Follows the events while they happen, over a new connection after every few hundred, until all succeeded.
fn watch(address: &str) -> Vec<Event> {
    let mut events: Vec<Event> = Vec::new();
    let mut succeeded = 0;
    while succeeded < TASKS {
        let client = Client::connect(address);
        let from_seq = Some(events.last().map_or(0, |event| event.seq + 1));
        let history = events
            .last()
            .and_then(|event| event.as_of.clone())
            .unwrap_or_default()
            .history;
        let request = StreamEventsRequest {
            history,
            from_seq,
            follow: true,
            ..Default::default()
        };
        let mut stream = client.try_stream(request).unwrap();
        for _ in 0..700 {
            let event = client
                .next(&mut stream)
                .unwrap()
                .expect("a followed stream does not end");
            succeeded += usize::from(event.kind == "task_succeeded");
            events.push(event);
            if succeeded == TASKS {
                break;
            }
        }
    }
    assert_gapless(&events);
    events
}
