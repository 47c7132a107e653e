//! Stopping is a designed path: nobody waits for ever, and nothing is left half done.

use std::{fs, path::Path, thread, time::Duration};

use nix::sys::signal::Signal;
use swarm_proto::v1::{ClaimRequest, HoldKind, StreamEventsRequest, TaskState};
use tonic::Code;

use crate::harness::{
    PATIENCE,
    agent::RealAgent,
    client::{duration, quoted, shell_task},
    coordinator::Coordinator,
    fake_agent::FakeAgent,
    process::is_running,
    wait_for, wait_until,
};

/// For ends that include a task's.
const SECONDS: Duration = Duration::from_secs(10);
/// Calls that are being answered get five seconds at a stop; open streams and long polls get none of them.
const AT_ONCE: Duration = Duration::from_secs(4);

#[test]
fn a_coordinator_stops_with_a_follower_and_a_parked_claim() {
    let mut coordinator = Coordinator::start();
    let client = coordinator.client();
    let mut follower = client
        .try_stream(StreamEventsRequest {
            follow: true,
            ..Default::default()
        })
        .unwrap();
    let mut agent = FakeAgent::register(&coordinator, "agent");
    client
        .next(&mut follower)
        .unwrap()
        .expect("the follower has seen the registration");
    let claim: ClaimRequest = agent.claim_request(Duration::from_secs(30));
    let parked = coordinator.client();
    let waiter = thread::spawn(move || parked.call(parked.coordinator_service().claim(claim)).map(|_| ()));

    let code = coordinator.stop(AT_ONCE);

    assert_eq!(code, 0);
    // The claim, arrived or not, ends with an answer or a status and does not hang.
    if let Err(status) = waiter.join().unwrap() {
        assert!(
            matches!(
                status.code(),
                Code::Unavailable | Code::Unknown | Code::Internal | Code::Cancelled
            ),
            "{status:?}"
        );
    }
    // The stream has ended, in one way or the other.
    assert!(!matches!(client.next(&mut follower), Ok(Some(_))));
    coordinator.start_again();
    assert!(coordinator.client().all_events().len() >= 3);
}

/// A task that says it has begun and goes on until there is a gate.
fn gated(dir: &Path) -> String {
    format!(
        "touch {}; while ! test -e {}; do sleep 0.02; done",
        quoted(&dir.join("begun")),
        quoted(&dir.join("gate"))
    )
}

#[test]
fn a_draining_agent_finishes_what_runs_claims_nothing_more_and_says_goodbye() {
    let coordinator = Coordinator::start();
    let client = coordinator.client();
    let mut agent = RealAgent::start(&coordinator, "a", &["--slots", "1"]);
    client.submit(vec![shell_task("running", &gated(coordinator.dir()))]);
    wait_until("it has begun", || coordinator.dir().join("begun").exists());
    client.submit(vec![shell_task("queued", "true")]);

    agent.program().signal(Signal::SIGTERM);
    wait_until("the coordinator knows of the drain", || {
        client.status().agents.unwrap().draining == 1
    });
    assert_eq!(agent.program().ended(), None);
    fs::write(coordinator.dir().join("gate"), "").unwrap();

    assert_eq!(agent.program().wait(SECONDS), 0);
    assert_eq!(client.task("running").state(), TaskState::Succeeded);
    assert_eq!(client.task("queued").state(), TaskState::Queued);
    let last = client.all_events().pop().unwrap();
    assert_eq!(last.kind, "agent_deregistered");
}

#[test]
fn a_second_signal_gives_back_what_runs() {
    let coordinator = Coordinator::start();
    let client = coordinator.client();
    let mut agent = RealAgent::start(&coordinator, "a", &["--slots", "1"]);
    client.submit(vec![shell_task("running", &gated(coordinator.dir()))]);
    wait_until("it has begun", || coordinator.dir().join("begun").exists());

    agent.program().signal(Signal::SIGINT);
    wait_until("the coordinator knows of the drain", || {
        client.status().agents.unwrap().draining == 1
    });
    agent.program().signal(Signal::SIGINT);

    assert_eq!(agent.program().wait(SECONDS), 0);
    let task = client.task("running");
    assert_eq!(
        (task.state(), task.tries.unwrap().failures),
        (TaskState::Queued, 0)
    );
    client.wait_for_event("running", "lease_released");
}

#[test]
fn an_agent_that_is_stopped_at_once_leaves_no_process_behind() {
    let coordinator = Coordinator::start();
    let client = coordinator.client();
    let mut agent = RealAgent::start(&coordinator, "a", &["--slots", "1"]);
    let pids = coordinator.dir().join("pids");
    let line = format!(
        "trap '' TERM; sleep 600 & echo $$ $! > {0}.partial; mv {0}.partial {0}; wait",
        pids.display()
    );
    client.submit(vec![shell_task("running", &line)]);
    let pids = wait_for("the task has written down its processes", PATIENCE, || {
        fs::read_to_string(&pids).ok()
    });
    let pids: Vec<i32> = pids.split_whitespace().map(|pid| pid.parse().unwrap()).collect();
    assert!(pids.len() == 2 && pids.iter().all(|&pid| is_running(pid)));

    agent.program().signal(Signal::SIGUSR1);
    agent.program().wait(SECONDS);

    wait_until("its processes are gone", || {
        !pids.iter().any(|&pid| is_running(pid))
    });
}

#[test]
fn a_signal_to_the_coordinator_stops_everything_at_once_and_it_serves_on() {
    let mut coordinator = Coordinator::start();
    let client = coordinator.client();
    let _agent = RealAgent::start(&coordinator, "a", &["--slots", "1"]);
    client.submit(vec![shell_task("running", &gated(coordinator.dir()))]);
    wait_until("it has begun", || coordinator.dir().join("begun").exists());

    coordinator.program().signal(Signal::SIGUSR1);

    client.wait_for_event("running", "lease_released");
    let task = client.task("running");
    assert_eq!(
        (task.state(), task.tries.unwrap().failures),
        (TaskState::Queued, 0)
    );
    let holds = client.status().holds;
    assert_eq!(holds.len(), 1);
    assert_eq!(
        (holds[0].kind(), holds[0].actor.as_str()),
        (HoldKind::Stop, "SIGUSR1")
    );
    wait_until("its operator is told", || {
        coordinator.program().log().contains("swarmctl resume")
    });
    fs::write(coordinator.dir().join("gate"), "").unwrap();
    coordinator.swarmctl(&["resume"]).expect(0);
    client.wait_for_state("running", TaskState::Succeeded);
    assert_eq!(coordinator.stop(PATIENCE), 0);
}

#[test]
fn an_agent_that_was_killed_comes_back_as_the_same_one_and_works_on() {
    let coordinator = Coordinator::with(&["--lease-ttl", "60s"]);
    let client = coordinator.client();
    let mut agent = RealAgent::start(&coordinator, "a", &["--slots", "1"]);
    client.submit(vec![shell_task("twice", &gated(coordinator.dir()))]);
    wait_until("it has begun", || coordinator.dir().join("begun").exists());
    agent.program().kill();

    fs::write(coordinator.dir().join("gate"), "").unwrap();
    agent.start_again();
    // It does not list the lease it has lost, so nobody waits for a minute.
    let task = client.wait_for_state("twice", TaskState::Succeeded);

    assert_eq!(task.attempt_count, 2);
    assert_eq!(task.attempts[0].agent_id, task.attempts[1].agent_id);
    let sessions: Vec<_> = client
        .all_events()
        .into_iter()
        .filter(|event| event.kind == "agent_registered")
        .collect();
    assert_eq!(
        (sessions.len(), &sessions[0].agent_id),
        (2, &sessions[1].agent_id)
    );
}

#[test]
fn a_long_claim_is_answered_as_soon_as_there_is_work() {
    let coordinator = Coordinator::start();
    let mut agent = FakeAgent::register(&coordinator, "agent");
    let claim = agent.claim_request(Duration::from_secs(30));
    assert_eq!(claim.wait, Some(duration(Duration::from_secs(30))));
    let parked = coordinator.client();
    let waiter = thread::spawn(move || {
        parked
            .call(parked.coordinator_service().claim(claim))
            .unwrap()
            .into_inner()
    });
    coordinator.client().submit(vec![shell_task("a", "true")]);
    assert_eq!(waiter.join().unwrap().assignments.len(), 1);
}
