//! Thousands of queues, and of holds on them.

use std::{thread, time::Duration};

use swarm_proto::{
    reason::Reason,
    v1::{
        ListQueuesRequest, NewTask, PauseRequest, admin_service_client::AdminServiceClient,
        pause_request::Scope, queue_service_client::QueueServiceClient,
    },
};

use crate::harness::{
    PATIENCE,
    client::{Client, refusal, shell_task, with},
    coordinator::Coordinator,
    fake_agent::FakeAgent,
    wait_until,
};

const QUEUES: usize = 2_000;

/// Callers that pause queues side by side.
const CALLERS: usize = 20;

fn name(index: usize) -> String {
    format!("queue-{index:05}")
}

fn task_of(queue: &str, id: &str) -> NewTask {
    with(shell_task(id, "true"), |spec| spec.queue = queue.to_owned())
}

fn pause(client: &Client, queue: String) -> Option<Reason> {
    let request = PauseRequest {
        scope: Some(Scope::Queue(queue)),
        actor: "ann".into(),
        reason: "x".repeat(500),
    };
    let mut service = AdminServiceClient::new(client.channel());
    refusal(&client.call(service.pause(request)))
}

/// Pauses queues from one number up to another; gives how many were refused, each as full.
fn pause_all(
    coordinator: &Coordinator,
    from: usize,
    to: usize,
    name: impl Fn(usize) -> String + Sync,
) -> usize {
    let name = &name;
    thread::scope(|scope| {
        let callers: Vec<_> = (0..CALLERS)
            .map(|caller| {
                scope.spawn(move || {
                    let client = coordinator.client();
                    let own = (from..to).filter(|index| index % CALLERS == caller);
                    let refused: Vec<Reason> = own.filter_map(|index| pause(&client, name(index))).collect();
                    assert!(
                        refused.iter().all(|reason| *reason == Reason::QueueFull),
                        "{refused:?}"
                    );
                    refused.len()
                })
            })
            .collect();
        callers.into_iter().map(|caller| caller.join().unwrap()).sum()
    })
}

fn list_all(client: &Client) -> Vec<String> {
    let mut names = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListQueuesRequest {
            page_size: 300,
            page_token,
        };
        let mut service = QueueServiceClient::new(client.channel());
        let page = client.call(service.list_queues(request)).unwrap().into_inner();
        names.extend(page.queues.into_iter().map(|queue| queue.name));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return names;
        }
    }
}

#[test]
fn thousands_of_queues_and_holds_are_listed_and_leave_the_others_alone() {
    let mut coordinator = Coordinator::start();
    let client = coordinator.client();
    client.submit(
        (0..QUEUES)
            .map(|index| task_of(&name(index), &format!("task-{index}")))
            .collect(),
    );
    let names: Vec<String> = (0..QUEUES).map(name).collect();
    assert_eq!(list_all(&client), names);

    assert_eq!(
        pause_all(&coordinator, 0, QUEUES, name),
        0,
        "queues with tasks are paused"
    );
    // There are more holds than those of queues without tasks may be.
    assert_eq!(
        pause_all(&coordinator, 0, 1_000, |index| format!("made-up-{index}")),
        1_000
    );
    let status = client.status();
    assert_eq!(
        (status.holds.len(), status.more_holds),
        (200, QUEUES as u64 - 200)
    );
    let doctor = coordinator.swarmctl(&["doctor"]);
    assert!(
        doctor.stdout.contains("✔ protocol: a coordinator answers"),
        "{}",
        doctor.stdout
    );
    assert!(doctor.stdout.contains("queue list"), "{}", doctor.stdout);
    let shown = coordinator.swarmctl(&["status", "-o", "wide"]).expect(0);
    assert!(shown.stdout.contains("and 1800 more; see: "), "{}", shown.stdout);

    // Who waits for one queue is given what comes there, whatever else there is.
    let mut agent = FakeAgent::register(&coordinator, "waiting");
    let waiting = thread::spawn(move || {
        let mut request = agent.claim_request(Duration::from_secs(20));
        request.queues = vec!["other".into()];
        let client = agent.client();
        let answer = client.call(client.coordinator_service().claim(request)).unwrap();
        answer.into_inner().assignments.len()
    });
    wait_until("a claim waits", || {
        waiting.is_finished() || client.status().agents.is_some_and(|agents| agents.online == 1)
    });
    client.submit(vec![task_of("other", "wanted")]);
    assert_eq!(waiting.join().unwrap(), 1);
    assert_eq!(coordinator.stop(PATIENCE), 0);
}
