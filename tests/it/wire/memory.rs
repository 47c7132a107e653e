//! Connections that want all of the memory: the coordinator lives on in a cgroup, and others are answered.

use std::{
    collections::BTreeMap,
    thread,
    time::{Duration, Instant},
};

use prost::Message as _;
use swarm_proto::{
    limits::MAX_MESSAGE_BYTES,
    reason::Reason,
    v1::{
        GetStatusResponse, GetTaskRequest, HeartbeatRequest, ListTasksRequest, MemoryShare, NewTask,
        RegisterAgentRequest, StreamEventsRequest, task_spec::Work,
    },
};
use tonic::Code;

use crate::harness::{
    cgroup::Cgroup,
    client::{Client, duration, reason, refusal, shell_task, with},
    coordinator::Coordinator,
    fake_agent::FakeAgent,
    raw,
    raw_http2::{RawHttp2, unasked_pongs, with_prefix},
    wait_until,
};

const MEMORY: u64 = 600_000_000;

/// Streams that a connection may have at the same time, or some more.
const STREAMS: usize = 250;

const SUBMIT: &str = "TaskService/SubmitTasks";

/// A coordinator with little memory.
struct Besieged {
    coordinator: Coordinator,
    client: Client,
    // Last: it can be removed when it is empty.
    _cgroup: Cgroup,
}

impl Besieged {
    fn start() -> Option<Besieged> {
        Besieged::start_with(&[])
    }

    fn start_with(flags: &[&str]) -> Option<Besieged> {
        let cgroup = Cgroup::with_memory(MEMORY)?;
        let coordinator = Coordinator::behind(&cgroup.enter(), flags);
        let client = coordinator.client();
        Some(Besieged {
            client,
            coordinator,
            _cgroup: cgroup,
        })
    }

    fn connect(&self, window: u32) -> RawHttp2 {
        RawHttp2::connect(self.coordinator.address(), window)
    }

    /// Tasks that are large.
    fn submit_large(&self, count: usize) {
        for first in (0..count).step_by(50) {
            let tasks = (first..count.min(first + 50)).map(|n| large(&format!("large-{n}")));
            self.client.submit(tasks.collect());
        }
    }

    /// Cancels tasks, and waits until they have left memory.
    fn make_room(&self, ids: impl Iterator<Item = String>) {
        ids.for_each(|id| self.client.cancel(&id));
        wait_until("there is room for tasks", || {
            let status = self.client.status();
            let state = status.memory.iter().find(|share| share.purpose == "state");
            state.is_some_and(|state| state.bytes < state.limit_bytes)
        });
    }

    /// Others are answered, and soon: the figures are printed.
    #[track_caller]
    fn assert_serves(&mut self, what: &str) -> GetStatusResponse {
        let mut times: Vec<Duration> = (0..200)
            .map(|n| {
                let start = Instant::now();
                if n % 10 == 0 {
                    self.client
                        .submit(vec![shell_task(&format!("{what}-{n}"), "true")]);
                } else {
                    self.client.status();
                }
                start.elapsed()
            })
            .collect();
        times.sort_unstable();
        let status = self.client.status();
        let peak = status.process.as_ref().unwrap().peak_resident_bytes;
        println!(
            "{what}: half are answered within {:?}, 99 of 100 within {:?}; {} MiB of memory at most",
            times[100],
            times[197],
            peak >> 20
        );
        assert_eq!(
            self.coordinator.program().ended(),
            None,
            "the coordinator has ended"
        );
        assert!(peak < MEMORY, "{peak} bytes");
        status
    }
}

fn large(task_id: &str) -> NewTask {
    with(shell_task(task_id, "true"), |spec| {
        let Some(Work::Command(command)) = &mut spec.work else {
            unreachable!("a shell task is a command")
        };
        command.stdin = vec![b'x'; 60_000];
    })
}

fn share_of(status: &GetStatusResponse, purpose: &str) -> MemoryShare {
    let found = status.memory.iter().find(|share| share.purpose == purpose);
    found.unwrap().clone()
}

fn share(status: &GetStatusResponse, purpose: &str) -> u64 {
    share_of(status, purpose).bytes
}

#[test]
fn a_length_that_is_only_declared_takes_no_memory() {
    let Some(mut besieged) = Besieged::start() else {
        return;
    };
    besieged.assert_serves("quiet");
    let connections: Vec<RawHttp2> = (0..4).map(|_| besieged.connect(0)).collect();
    for connection in &connections {
        for _ in 0..STREAMS {
            let stream = connection.begin(SUBMIT);
            connection.data(stream, &[0, 0, 0x3f, 0xff, 0xff], false);
        }
    }
    let status = besieged.assert_serves("declared");
    // A call counts, and not the length that it says.
    assert!(share(&status, "reading") < 8 << 20, "{status:?}");
}

#[test]
fn bodies_without_end_are_given_up_for_others() {
    let Some(mut besieged) = Besieged::start() else {
        return;
    };
    let body = vec![0; MAX_MESSAGE_BYTES - 1];
    let mut message = with_prefix(&body);
    message[4] = 0xff;
    let connection = besieged.connect(0);
    // Many times what there is room for.
    let sent = (0..60).filter(|_| connection.data(connection.begin(SUBMIT), &message, false));
    assert!(sent.count() > 0);
    besieged.assert_serves("unfinished");
    // What is given up counts until its call has heard so.
    wait_until("half is for other addresses", || {
        let reading = share_of(&besieged.client.status(), "reading");
        reading.bytes <= reading.limit_bytes / 2
    });
    // A large request finds room, too.
    besieged.submit_large(60);
}

#[test]
fn a_message_that_would_grow_when_it_is_read_is_refused_before() {
    let Some(mut besieged) = Besieged::start() else {
        return;
    };
    let bomb = b"\x12\x00".repeat(2_000_000);
    for _ in 0..5 {
        let refused = raw::call(&besieged.client, "/swarm.v1.TaskService/SubmitTasks", &bomb);
        assert_eq!(reason(refused), Reason::FieldInvalid);
    }
    besieged.assert_serves("empty-tasks");
}

#[test]
fn lists_that_nobody_takes_are_bounded_and_given_up_for_others() {
    let Some(mut besieged) = Besieged::start() else {
        return;
    };
    besieged.submit_large(40);
    let list = ListTasksRequest {
        page_size: 1000,
        ..Default::default()
    };
    let connections: Vec<RawHttp2> = (0..2).map(|_| besieged.connect(0)).collect();
    for connection in &connections {
        for _ in 0..STREAMS {
            connection.call("TaskService/ListTasks", &list.encode_to_vec());
        }
    }
    let status = besieged.assert_serves("unread-lists");
    let answers = share_of(&status, "answers");
    assert!(answers.bytes <= answers.limit_bytes, "{answers:?}");
    // Somebody who takes what he asks for has it, perhaps when he asks again.
    let client = &besieged.client;
    wait_until("a list is taken", || {
        let listed = client.call(client.task_service().list_tasks(list.clone()));
        let is_taken = listed.is_ok();
        assert!(is_taken || reason(listed) == Reason::Busy);
        is_taken
    });
}

#[test]
fn who_takes_nothing_from_the_wire_is_closed() {
    let Some(mut besieged) = Besieged::start() else {
        return;
    };
    besieged.submit_large(40);
    let list = ListTasksRequest {
        page_size: 1000,
        ..Default::default()
    };
    let deaf: Vec<RawHttp2> = (0..2)
        .map(|_| RawHttp2::deaf(besieged.coordinator.address()))
        .collect();
    for connection in &deaf {
        for _ in 0..STREAMS {
            connection.call("TaskService/ListTasks", &list.encode_to_vec());
        }
    }
    besieged.assert_serves("unread-wire");
    wait_until("what they were to take is given back", || {
        share(&besieged.client.status(), "answers") < 1 << 20
    });
}

#[test]
fn small_answers_that_nobody_takes_from_the_wire_are_given_up_for_others() {
    let Some(mut besieged) = Besieged::start_with(&["--log-level", "debug"]) else {
        return;
    };
    besieged.submit_large(1);
    let task = GetTaskRequest {
        task_id: "large-0".into(),
    };
    // Many times what sockets and the answers' share have room for.
    let deaf: Vec<RawHttp2> = (0..10)
        .map(|_| RawHttp2::deaf(besieged.coordinator.address()))
        .collect();
    for connection in &deaf {
        for _ in 0..STREAMS {
            connection.call("TaskService/GetTask", &task.encode_to_vec());
        }
    }
    let client = &besieged.client;
    // An answer that says so may find no room itself.
    wait_until("the answers' share is full", || {
        let status = client.try_status();
        let is_told = |status: &GetStatusResponse| share_of(status, "answers").refused > 0;
        status.as_ref().is_ok_and(is_told) || refusal(&status) == Some(Reason::Busy)
    });
    wait_until("somebody else has an answer", || {
        client.call(client.task_service().get_task(task.clone())).is_ok()
    });
    // Not because the keep-alive has found them deaf, which takes half a minute.
    let log = besieged.coordinator.program().log();
    let given_up = log.find("took no answers while others needed their memory");
    let found_deaf = log.find("gave no sign of life").unwrap_or(log.len());
    assert!(given_up.is_some_and(|at| at < found_deaf), "{log}");
    besieged.assert_serves("unread-small-answers");
}

#[test]
fn events_that_nobody_takes_are_not_read() {
    let Some(mut besieged) = Besieged::start() else {
        return;
    };
    besieged.submit_large(800);
    let all = StreamEventsRequest {
        from_seq: Some(0),
        follow: true,
        ..Default::default()
    };
    let connections: Vec<RawHttp2> = (0..4).map(|_| besieged.connect(0)).collect();
    for connection in &connections {
        for _ in 0..STREAMS {
            connection.call("CoordinatorService/StreamEvents", &all.encode_to_vec());
        }
    }
    let status = besieged.assert_serves("unread-events");
    assert_eq!(share(&status, "answers"), 0, "{status:?}");
}

#[test]
fn submits_without_end_are_refused_and_what_is_there_goes_on() {
    let Some(mut besieged) = Besieged::start() else {
        return;
    };
    let batch = |round: usize| {
        let tasks = (0..60).map(|n| large(&format!("fill-{round}-{n}")));
        besieged.client.try_submit(tasks.collect())
    };
    // 360 MB of them are more than memory has.
    let refused = (0..100).find_map(|round| Some((round, refusal(&batch(round))?)));
    let (taken, reason) = refused.expect("somebody is refused");
    assert_eq!(reason, Reason::QueueFull, "after {taken} submits");
    let status = besieged.client.status();
    assert!(
        share(&status, "state") >= 60_000 * 60 * taken as u64,
        "{status:?}"
    );
    // With room for others they are served, and soon.
    besieged.make_room((0..60).map(|n| format!("fill-0-{n}")));
    besieged.assert_serves("full-state");
}

#[test]
fn registrations_without_end_are_refused_and_others_are_served() {
    let Some(mut besieged) = Besieged::start() else {
        return;
    };
    besieged.submit_large(20);
    const CALLERS: usize = 16;
    let labels: BTreeMap<String, String> = (0..64)
        .map(|n| (format!("label-{n:02}"), "x".repeat(56)))
        .collect();
    let register = |agent_id: String, client: &Client| {
        let request = RegisterAgentRequest {
            agent_id,
            slots: 1,
            labels: labels.clone(),
            ..Default::default()
        };
        let answer = client.call(client.coordinator_service().register_agent(request));
        refusal(&answer)
    };
    let coordinator = &besieged.coordinator;
    let refusals: Vec<Option<Reason>> = thread::scope(|scope| {
        let callers: Vec<_> = (0..CALLERS)
            .map(|caller| {
                scope.spawn(move || {
                    let client = coordinator.client();
                    (0..3_000).find_map(|n| register(format!("agent-{caller}-{n}"), &client))
                })
            })
            .collect();
        callers.into_iter().map(|caller| caller.join().unwrap()).collect()
    });
    assert_eq!(refusals, [Some(Reason::QueueFull); CALLERS]);
    // A known one registers again as ever.
    assert_eq!(register("agent-0-0".into(), &besieged.client), None);
    besieged.make_room((0..20).map(|n| format!("large-{n}")));
    besieged.assert_serves("full-of-agents");
}

#[test]
fn an_answer_that_nobody_takes_ends_alone() {
    let coordinator = Coordinator::start();
    let client = coordinator.client();
    client.submit(vec![large("a")]);
    let connection = RawHttp2::connect(coordinator.address(), 1);
    let list = ListTasksRequest::default();
    connection.call("TaskService/ListTasks", &list.encode_to_vec());
    connection.call(
        "CoordinatorService/StreamEvents",
        &StreamEventsRequest {
            from_seq: Some(0),
            ..Default::default()
        }
        .encode_to_vec(),
    );
    // Both begin, and wait for somebody who takes more than a byte.
    connection.wait_until_over(2);
    wait_until("the answers are ended", || connection.resets() == 2);
    assert!(!connection.is_closed());
}

#[test]
fn one_address_has_a_bounded_number_of_streams_of_any_kind() {
    let coordinator = Coordinator::start();
    let follow = StreamEventsRequest {
        follow: true,
        ..Default::default()
    };
    let connections: Vec<RawHttp2> = (0..3)
        .map(|_| RawHttp2::connect(coordinator.address(), 65_535))
        .collect();
    for connection in &connections {
        for _ in 0..STREAMS / 2 {
            connection.call("CoordinatorService/StreamEvents", &follow.encode_to_vec());
            let watch = connection.begin_path("/grpc.health.v1.Health/Watch");
            connection.data(watch, &with_prefix(&[]), true);
        }
        connection.wait_until_over(STREAMS / 2 * 2);
    }
    let client = coordinator.client();
    let refused = client.try_stream(follow.clone());
    assert_eq!(reason(refused), Reason::Busy);
    // Calls that end are no streams, nor is a probe.
    client.status();
    raw::call(&client, "/grpc.health.v1.Health/Check", &[]).unwrap();
    drop(connections);
    wait_until("there is room for a stream", || {
        client.try_stream(follow.clone()).is_ok()
    });
}

#[test]
fn claims_and_heartbeats_that_wait_keep_no_memory_from_requests_that_are_read() {
    let Some(mut besieged) = Besieged::start() else {
        return;
    };
    const WAIT: Duration = Duration::from_secs(30);
    let connection = besieged.connect(65_535);
    for n in 0..8 {
        let mut agent = FakeAgent::register(&besieged.coordinator, &format!("agent-{n}"));
        for _ in 0..16 {
            let mut claim = agent.claim_request(WAIT).encode_to_vec();
            // Field 1000 is unknown, and as long as a claim may be.
            let padding = vec![b'x'; 500_000];
            prost::encoding::bytes::encode(1000, &padding, &mut claim);
            connection.call("CoordinatorService/Claim", &claim);
        }
        let beat = HeartbeatRequest {
            agent_id: format!("agent-{n}"),
            session: agent.session(),
            wait: Some(duration(WAIT)),
            ..Default::default()
        };
        connection.call("CoordinatorService/Heartbeat", &beat.encode_to_vec());
    }
    let status = besieged.assert_serves("waiting");
    assert!(share(&status, "decoding") < 8 << 20, "{status:?}");
    // As large as a message may be.
    besieged.submit_large(60);
}

#[test]
fn a_small_request_is_refused_when_it_is_large() {
    let coordinator = Coordinator::start();
    let client = coordinator.client();
    for method in [
        "TaskService/CancelTasks",
        "CoordinatorService/Heartbeat",
        "AdminService/Pause",
    ] {
        let refused = raw::call(&client, &format!("/swarm.v1.{method}"), &vec![0; 1 << 20]);
        assert_eq!(refused.unwrap_err().code(), Code::OutOfRange, "{method}");
    }
}

#[test]
fn pongs_that_nobody_asked_for_leave_no_line_in_the_log() {
    let mut coordinator = Coordinator::start();
    let client = coordinator.client();
    let before = coordinator.program().log().len();
    let connection = RawHttp2::connect(coordinator.address(), 65_535);
    for _ in 0..100 {
        connection.send(&unasked_pongs(500));
    }
    client.status();
    let log = coordinator.program().log();
    assert!(log[before..].lines().count() < 5, "{}", &log[before..]);
}

#[test]
fn as_many_connections_are_taken_as_there_are_files_for() {
    let mut coordinator = Coordinator::behind("ulimit -n 400", &[]);
    let client = coordinator.client();
    client.status();
    let crowd: Vec<RawHttp2> = (0..300)
        .map(|_| RawHttp2::connect(coordinator.address(), 65_535))
        .collect();
    for n in 0..200 {
        client.submit(vec![shell_task(&format!("t{n}"), "true")]);
    }
    wait_until("those over the limit are closed", || {
        crowd.iter().filter(|connection| connection.is_closed()).count() >= 150
    });
    assert_eq!(coordinator.program().ended(), None);
    let log = coordinator.program().log();
    assert!(log.contains("at most 144 connections are accepted"), "{log}");
    drop(crowd);
    wait_until("others are served again", || {
        let connection = RawHttp2::connect(coordinator.address(), 65_535);
        connection.call("AdminService/GetStatus", &[]);
        connection.wait_until_over(1);
        !connection.is_closed()
    });
}
