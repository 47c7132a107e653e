//! The event stream: from any position, filtered, followed, and honest about positions it does not have.

use std::{
    io::{BufRead as _, BufReader},
    process::Stdio,
};

use nix::sys::signal::Signal;
use swarm_proto::v1::{Event, StreamEventsRequest, TaskState, task_spec::Work};

use crate::harness::{
    agent::RealAgent,
    client::{Client, reason, shell_task, with},
    coordinator::Coordinator,
    program::Program,
    swarmctl::swarmctl_command,
};

fn from(seq: u64) -> StreamEventsRequest {
    StreamEventsRequest {
        from_seq: Some(seq),
        ..Default::default()
    }
}

fn run_tasks(coordinator: &Coordinator, client: &Client, ids: &[&str]) -> RealAgent {
    let agent = RealAgent::start(coordinator, "a", &["--slots", "2"]);
    client.submit(ids.iter().map(|id| shell_task(id, "true")).collect());
    for id in ids {
        client.wait_for_state(id, TaskState::Succeeded);
    }
    agent
}

#[test]
fn reading_on_after_any_position_gives_exactly_the_rest() {
    let coordinator = Coordinator::start();
    let client = coordinator.client();
    let _agent = run_tasks(&coordinator, &client, &["a", "b", "c"]);
    let all = client.all_events();
    assert!(all.len() >= 10, "{}", all.len());

    for cut in [1, 2, all.len() / 2, all.len() - 1] {
        assert_eq!(client.events(from(all[cut].seq)), all[cut..]);
        let first = client.events(StreamEventsRequest {
            limit: cut as u64,
            ..from(0)
        });
        assert_eq!(first, all[..cut]);
    }
    // The next position is not there yet: without follow that is an end, not an error.
    assert_eq!(client.events(from(all.len() as u64 + 1)), []);
}

#[test]
fn a_follower_sees_what_happens_after_its_call() {
    let coordinator = Coordinator::start();
    let client = coordinator.client();
    client.submit(vec![shell_task("before", "true")]);
    let mut stream = client
        .try_stream(StreamEventsRequest {
            follow: true,
            ..Default::default()
        })
        .unwrap();

    client.submit(vec![shell_task("after", "true")]);

    let event = client.next(&mut stream).unwrap().unwrap();
    assert_eq!(
        (event.kind.as_str(), event.task_id.as_str()),
        ("task_submitted", "after")
    );
}

#[test]
fn filters_leave_exactly_what_was_asked_for() {
    let coordinator = Coordinator::start();
    let client = coordinator.client();
    let _agent = run_tasks(&coordinator, &client, &["a", "b"]);
    let all = client.all_events();
    let agent_id = all
        .iter()
        .find(|event| event.kind == "agent_registered")
        .unwrap()
        .agent_id
        .clone();
    let expect = |request: StreamEventsRequest, wanted: &dyn Fn(&Event) -> bool| {
        let expected: Vec<Event> = all.iter().filter(|event| wanted(event)).cloned().collect();
        assert!(!expected.is_empty());
        assert_eq!(client.events(request.clone()), expected, "{request:?}");
    };

    expect(
        StreamEventsRequest {
            task_ids: vec!["b".into()],
            ..from(0)
        },
        &|event| event.task_id == "b",
    );
    expect(
        StreamEventsRequest {
            kinds: vec!["task_succeeded".into()],
            ..from(0)
        },
        &|event| event.kind == "task_succeeded",
    );
    expect(
        StreamEventsRequest {
            agent_ids: vec![agent_id.clone()],
            ..from(0)
        },
        &|event| event.agent_id == agent_id,
    );
    expect(
        StreamEventsRequest {
            task_ids: vec!["a".into()],
            kinds: vec!["lease_granted".into()],
            ..from(0)
        },
        &|event| event.task_id == "a" && event.kind == "lease_granted",
    );
    let unknown = StreamEventsRequest {
        kinds: vec!["task_suceeded".into()],
        ..from(0)
    };
    assert_eq!(refusal(&client, unknown), "FIELD_INVALID");
}

#[test]
fn a_position_of_another_history_or_beyond_the_end_is_refused_and_never_waited_for() {
    let coordinator = Coordinator::start();
    let client = coordinator.client();
    client.submit(vec![shell_task("a", "true")]);
    let last = client.all_events().pop().unwrap();
    let history = last.as_of.unwrap().history;

    let known = StreamEventsRequest {
        history: history.clone(),
        ..from(last.seq)
    };
    assert_eq!(client.events(known).len(), 1);
    for follow in [false, true] {
        let other = StreamEventsRequest {
            history: format!("{history}x"),
            follow,
            ..from(1)
        };
        assert_eq!(refusal(&client, other), "HISTORY_CHANGED");
        let beyond = StreamEventsRequest {
            history: history.clone(),
            follow,
            ..from(last.seq + 2)
        };
        assert_eq!(refusal(&client, beyond), "HISTORY_CHANGED");
    }
}

#[test]
fn no_event_shows_a_token_or_the_value_of_an_environment_variable() {
    let coordinator = Coordinator::start();
    let client = coordinator.client();
    let _agent = RealAgent::start(&coordinator, "a", &["--slots", "1"]);
    client.submit(vec![with(
        shell_task("secretive", "test -n \"$SECRET\""),
        |spec| {
            let Some(Work::Command(command)) = &mut spec.work else {
                unreachable!()
            };
            command.env.insert("SECRET".to_owned(), "swordfish".to_owned());
        },
    )]);
    client.wait_for_state("secretive", TaskState::Succeeded);

    let shown = format!("{:?}{:?}", client.all_events(), client.task("secretive"));
    assert!(
        shown.contains("SECRET") && !shown.contains("swordfish"),
        "{shown}"
    );
    assert!(!shown.contains("token"), "{shown}");
}

#[test]
fn swarmctl_follows_the_events_over_a_death_of_the_coordinator_without_gap_or_repeat() {
    let mut coordinator = Coordinator::start();
    let words = ["events", "-f", "--from", "1", "-o", "jsonl"];
    let mut command = swarmctl_command(coordinator.address(), coordinator.dir(), &words);
    command.stdout(Stdio::piped());
    let log = coordinator.dir().join("events.log");
    let mut follower = Program::start("swarmctl events -f", command, &log, Signal::SIGTERM);
    let mut lines = BufReader::new(follower.child().stdout.take().unwrap()).lines();

    let mut seqs = Vec::new();
    for round in 0..3 {
        let id = format!("round-{round}");
        coordinator.client().submit(vec![shell_task(&id, "true")]);
        loop {
            let line: serde_json::Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
            seqs.push(line["seq"].as_u64().unwrap());
            if line["kind"] == "task_submitted" && line["task_id"] == id.as_str() {
                break;
            }
        }
        coordinator.kill();
        coordinator.start_again();
    }

    let expected: Vec<u64> = (1..=seqs.len() as u64).collect();
    assert_eq!(seqs, expected);
    follower.signal(Signal::SIGINT);
    assert_eq!(follower.wait(crate::harness::PATIENCE), 130);
}

#[test]
fn swarmctl_prints_the_journal_as_lines_for_programs() {
    let coordinator = Coordinator::start();
    let client = coordinator.client();
    let _agent = run_tasks(&coordinator, &client, &["a"]);

    let lines = coordinator
        .swarmctl(&["events", "-o", "jsonl", "--task", "a"])
        .expect(0)
        .json_lines();

    let kinds: Vec<&str> = lines.iter().map(|line| line["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["task_submitted", "lease_granted", "task_succeeded"]);
    assert_eq!(
        (&lines[1]["attempt"], &lines[1]["task_id"]),
        (&1.into(), &"a".into())
    );
}

/// The reason with which a stream is refused, at its call or instead of its first event.
#[track_caller]
fn refusal(client: &Client, request: StreamEventsRequest) -> &'static str {
    let answer = client
        .try_stream(request)
        .and_then(|mut stream| client.next(&mut stream));
    reason(answer).as_str()
}
