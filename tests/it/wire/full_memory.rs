//! Memory that is full of tasks and agents: new ones are refused, and what is there goes on.

use std::{collections::BTreeMap, thread};

use swarm_proto::{
    call::CallFailure,
    reason::Reason,
    v1::{LeaseRef, NewTask, RetryTask, RetryTasksRequest, TaskState, task_spec::Work},
};
use tonic::Status;

use crate::harness::{
    PATIENCE,
    client::{Client, refusal, shell_task, with},
    coordinator::Coordinator,
    fake_agent::FakeAgent,
    swarmctl::swarmctl,
    wait_for, wait_until,
};

/// The least that a coordinator takes: some 32 MiB of it are for tasks and agents.
const LITTLE: [&str; 2] = ["--memory", "128MiB"];

/// Tasks of one submit, which has 2.4 MB.
const TOGETHER: usize = 40;

/// More submits than memory can take.
const ENOUGH: usize = 100;

/// A task with 60,000 bytes of input.
fn large(id: &str) -> NewTask {
    with(shell_task(id, "true"), |spec| {
        let Some(Work::Command(command)) = &mut spec.work else {
            panic!("a shell task has a command")
        };
        command.stdin = vec![b'x'; 60_000];
    })
}

/// Submits until memory is full; gives the refusal, and how many submits were taken.
fn fill(client: &Client) -> (Status, usize) {
    for round in 0..ENOUGH {
        let tasks = (0..TOGETHER).map(|index| large(&format!("fill-{round}-{index}")));
        match client.try_submit(tasks.collect()) {
            Ok(_) => {}
            Err(status) if refusal(&Err::<(), _>(status.clone())) == Some(Reason::Busy) => {}
            Err(status) => return (status, round),
        }
    }
    panic!("memory was never full");
}

fn leases(agent: &mut FakeAgent, most: u32) -> Vec<LeaseRef> {
    let assignments = agent.claim_now(most).assignments.into_iter();
    assignments.map(|each| each.lease.unwrap()).collect()
}

#[test]
fn new_tasks_and_agents_are_refused_while_memory_is_full_and_what_has_begun_goes_on() {
    let mut coordinator = Coordinator::with(&LITTLE);
    let client = coordinator.client();
    let mut agent = FakeAgent::register(&coordinator, "known");
    client.submit(vec![shell_task("ended", "true"), shell_task("small", "true")]);
    client.cancel("ended");
    let running = leases(&mut agent, 1);

    let (refused, taken) = fill(&client);
    assert!(taken >= 5, "only {taken} submits were taken");
    assert_eq!(refusal(&Err::<(), _>(refused.clone())), Some(Reason::QueueFull));
    let CallFailure::Refused {
        retry_after, message, ..
    } = CallFailure::of(&refused)
    else {
        panic!("{refused:?} is no refusal")
    };
    assert!(retry_after.is_some(), "a later try may find room");
    assert!(message.contains("MiB of memory"), "{message}");

    let stranger = FakeAgent::register_with(&coordinator, "new", |_| {});
    assert_eq!(
        stranger
            .err()
            .as_ref()
            .map(|status| CallFailure::of(status).reason()),
        Some(Some(Reason::QueueFull))
    );
    let request = RetryTasksRequest {
        tasks: vec![RetryTask {
            task_id: "ended".into(),
            revision: None,
        }],
    };
    let retried = client.call(client.task_service().retry_tasks(request));
    assert_eq!(refusal(&retried), Some(Reason::QueueFull));

    agent
        .register_again(|request| request.held = running.clone())
        .unwrap();
    assert_eq!(agent.heartbeat(running.clone()).unwrap().directives.len(), 1);
    assert_eq!(agent.succeed(&running[0], "done").refusal, None);
    let more = leases(&mut agent, 2);
    assert_eq!(more.len(), 2);
    for lease in &more {
        assert_eq!(agent.succeed(lease, "done").refusal, None);
    }
    let status = client.status();
    let state = status
        .memory
        .iter()
        .find(|share| share.purpose == "state")
        .unwrap();
    assert!(
        state.bytes >= state.limit_bytes && state.refused >= 3,
        "{state:?}"
    );
    let doctor = coordinator.swarmctl(&["doctor"]);
    assert!(doctor.stdout.contains("state"), "{}", doctor.stdout);
    let hinted = coordinator
        .swarmctl(&["submit", "--retry-for", "0s", "--", "true"])
        .expect(1);
    assert!(hinted.stderr.contains("--memory"), "{}", hinted.stderr);

    // Who does not give up at once is refused, too, and taken later.
    let refused_before = state.refused;
    let (address, dir) = (coordinator.address().to_owned(), coordinator.dir().to_owned());
    let words = ["submit", "--id", "patient", "--retry-for", "1m", "--", "true"];
    let patient = thread::spawn(move || swarmctl(&address, &dir, &words));
    wait_until("it is refused", || {
        let shares = client.status().memory;
        let state = shares.iter().find(|share| share.purpose == "state").unwrap();
        state.refused > refused_before
    });

    // The first have ended.
    for round in 1..taken / 2 {
        (0..TOGETHER).for_each(|index| client.cancel(&format!("fill-{round}-{index}")));
    }
    wait_for("there is room again", PATIENCE, || {
        client.try_submit(vec![shell_task("later", "true")]).ok()
    });
    assert_eq!(client.task("later").state(), TaskState::Queued);
    patient.join().unwrap().expect(0);
    assert_eq!(client.task("patient").state(), TaskState::Queued);
    assert_eq!(coordinator.stop(PATIENCE), 0);
}

#[test]
fn the_labels_of_an_agent_take_four_kibibytes_at_most() {
    let coordinator = Coordinator::start();
    let labelled = |bytes: usize| {
        let labels: BTreeMap<String, String> = (0..64)
            .map(|index| (format!("label-{index:02}"), "x".repeat(bytes)))
            .collect();
        FakeAgent::register_with(&coordinator, "labelled", |request| request.labels = labels)
    };
    assert!(labelled(56).is_ok());
    let refused = labelled(57)
        .err()
        .map(|status| CallFailure::of(&status).message().to_owned());
    let refused = refused.unwrap_or_default();
    assert!(refused.contains("at most 4096 are allowed"), "{refused}");
}

#[test]
fn where_memory_is_short_there_are_no_huge_pages() {
    let may_have = |memory: &str| {
        let mut coordinator = Coordinator::with(&["--memory", memory]);
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", coordinator.program().pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("THP_enabled:"));
        line.map(|line| line.ends_with('1'))
    };
    let own = std::fs::read_to_string("/proc/self/status").unwrap();
    if !own
        .lines()
        .any(|line| line.starts_with("THP_enabled:") && line.ends_with('1'))
    {
        println!("SKIPPED: this system, or who started the tests, gives no huge pages");
        return;
    }
    assert_eq!(may_have("1GiB"), Some(false));
    assert_eq!(may_have("4GiB"), Some(true));
}
