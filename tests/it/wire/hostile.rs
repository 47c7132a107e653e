//! Whatever comes over the port is answered or dropped, and the coordinator serves on.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use prost::Message as _;
use swarm_proto::{
    limits::MAX_MESSAGE_BYTES,
    v1::{
        AttemptReport, CompleteRequest, Dependency, ListTasksRequest, NewTask, RegisterAgentRequest,
        SubmitTasksRequest, TaskState,
    },
};
use tonic::Code;

use crate::harness::{
    agent::RealAgent,
    client::{Client, shell_task, with},
    coordinator::Coordinator,
    raw,
};

/// Longer than the coordinator takes to drop what it cannot read.
const DROPPED_WITHIN: Duration = Duration::from_secs(20);

/// A fixed sequence that looks random (xorshift).
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut x = seed | 1;
    let mut next = || {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        x.to_le_bytes()[3]
    };
    (0..length).map(|_| next()).collect()
}

#[track_caller]
fn assert_serves(coordinator: &mut Coordinator, client: &Client) {
    client.status();
    assert_eq!(coordinator.program().ended(), None, "the coordinator has ended");
    let log = coordinator.program().log();
    assert!(!log.contains("panicked"), "{log}");
}

/// Sends bytes over a connection of their own; gives what comes back until the other side closes it.
fn send(address: &str, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DROPPED_WITHIN)).unwrap();
    // The other side may close while this is under way.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    answer
}

#[test]
fn random_bytes_and_other_protocols_on_the_port_harm_nobody() {
    let mut coordinator = Coordinator::start();
    let client = coordinator.client();
    let address = coordinator.address().to_owned();
    for seed in 1..20 {
        send(&address, &noise(seed, 1000));
        let mut preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        preface.extend(noise(seed, 1000));
        send(&address, &preface);
    }
    send(&address, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    send(&address, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03");
    assert_serves(&mut coordinator, &client);
}

#[test]
fn an_empty_request_of_every_method_is_answered_with_a_status_of_ours() {
    let mut coordinator = Coordinator::start();
    let client = coordinator.client();
    let methods = swarm_tests::raw::methods();
    assert!(methods.len() >= 17, "{methods:?}");
    for method in &methods {
        // The one call whose empty form has an endless answer is StreamEvents with follow, and that is not empty.
        if let Err(status) = raw::call(&client, method, &[]) {
            assert!(
                matches!(
                    status.code(),
                    Code::InvalidArgument | Code::NotFound | Code::FailedPrecondition | Code::Aborted
                ),
                "{method}: {status:?}"
            );
        }
    }
    assert_serves(&mut coordinator, &client);
}

#[test]
fn messages_that_are_no_messages_are_refused_by_every_method() {
    let mut coordinator = Coordinator::start();
    let client = coordinator.client();
    for (seed, method) in (1..).zip(swarm_tests::raw::methods()) {
        // A length-delimited field that says it is longer than the message.
        raw::call(&client, &method, b"\x0a\xff\xff\xff\x7f").unwrap_err();
        for round in 0..10 {
            // Any answer will do: some noise is a message.
            let _ = raw::call(&client, &method, &noise(seed * 100 + round, 64));
        }
    }
    assert_serves(&mut coordinator, &client);
}

#[test]
fn a_message_over_the_limit_is_refused_and_one_just_below_is_read() {
    let mut coordinator = Coordinator::start();
    let client = coordinator.client();
    let method = "/swarm.v1.TaskService/SubmitTasks";
    let status = raw::call(&client, method, &vec![0; MAX_MESSAGE_BYTES + 1]).unwrap_err();
    assert_eq!(status.code(), Code::OutOfRange, "{status:?}");

    let tasks = (0..63)
        .map(|n| shell_task(&format!("t{n}"), &"#".repeat(60 * 1024)))
        .collect();
    let request = SubmitTasksRequest { job: None, tasks };
    assert!(request.encoded_len() < MAX_MESSAGE_BYTES);
    raw::call(&client, method, &request.encode_to_vec()).unwrap();
    let over = shell_task("over", &"#".repeat(65 * 1024));
    assert_eq!(
        client.try_submit(vec![over]).unwrap_err().code(),
        Code::InvalidArgument
    );
    assert_serves(&mut coordinator, &client);
}

#[test]
fn unknown_values_of_enums_and_unknown_fields_crash_nobody() {
    let mut coordinator = Coordinator::start();
    let client = coordinator.client();
    let _agent = RealAgent::start(&coordinator, "a", &["--slots", "1"]);
    client.submit(vec![shell_task("first", "true")]);

    let odd = with(shell_task("odd", "true"), |spec| {
        spec.depends_on = vec![Dependency {
            task_id: "first".to_owned(),
            condition: 77,
        }];
    });
    // Refused or taken for the default; never a crash.
    let _ = client.try_submit(vec![odd]);
    let states = ListTasksRequest {
        states: vec![99],
        ..Default::default()
    };
    let _ = client.call(client.task_service().list_tasks(states));

    let mut unknown = SubmitTasksRequest {
        job: None,
        tasks: vec![shell_task("newer", "true")],
    }
    .encode_to_vec();
    // Field 1000, a string.
    unknown.extend([0xc2, 0x3e, 0x02, b'h', b'i']);
    raw::call(&client, "/swarm.v1.TaskService/SubmitTasks", &unknown).unwrap();
    client.wait_for_state("newer", TaskState::Succeeded);
    client.wait_for_state("first", TaskState::Succeeded);
    assert_serves(&mut coordinator, &client);
}

#[test]
fn absurd_values_are_refused_with_the_field_named() {
    let mut coordinator = Coordinator::start();
    let client = coordinator.client();
    let bad: Vec<(NewTask, &str)> = vec![
        (shell_task("../../etc/passwd", "true"), "task_id"),
        (shell_task(&"x".repeat(200), "true"), "task_id"),
        (
            with(shell_task("a", "true"), |spec| spec.priority = 1_000_000),
            "priority",
        ),
        (with(shell_task("a", "true"), |spec| spec.work = None), "spec"),
        (
            with(shell_task("a", "true"), |spec| {
                spec.timeout = Some(prost_types::Duration {
                    seconds: i64::MIN,
                    nanos: -1,
                });
            }),
            "timeout",
        ),
        (
            with(shell_task("a", "true"), |spec| {
                spec.not_before = Some(prost_types::Timestamp {
                    seconds: i64::MAX,
                    nanos: i32::MAX,
                });
            }),
            "not_before",
        ),
    ];
    for (task, field) in bad {
        let status = client.try_submit(vec![task]).unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
        let failure = swarm_proto::call::CallFailure::of(&status);
        let swarm_proto::call::CallFailure::Refused { faults, .. } = failure else {
            panic!("{status:?}")
        };
        assert!(
            faults.iter().any(|fault| fault.field.contains(field)),
            "{field} is not among {faults:?}"
        );
    }
    let many = RegisterAgentRequest {
        agent_id: "a".to_owned(),
        slots: u32::MAX,
        ..Default::default()
    };
    client
        .call(client.coordinator_service().register_agent(many))
        .unwrap_err();
    let reports = CompleteRequest {
        agent_id: "a".to_owned(),
        results: vec![AttemptReport::default(); 2000],
        claim_next: None,
    };
    client
        .call(client.coordinator_service().complete(reports))
        .unwrap_err();
    assert_serves(&mut coordinator, &client);
}
