//! An agent that was told to leave takes nothing more, not even what it gives back.

use std::time::Duration;

use nix::sys::signal::Signal;
use swarm_proto::v1::TaskState;

use crate::harness::{
    agent::RealAgent,
    client::{count_by_task, shell_task},
    coordinator::Coordinator,
};

const TRIES: usize = 5;

#[test]
fn an_agent_that_is_stopped_does_not_claim_what_it_gives_back() {
    let coordinator = Coordinator::start();
    let client = coordinator.client();
    for n in 0..TRIES {
        let task_id = format!("t{n}");
        let mut agent = RealAgent::start(&coordinator, &format!("a{n}"), &["--slots", "2"]);
        client.submit(vec![shell_task(&task_id, "exec sleep 600")]);
        client.wait_for_state(&task_id, TaskState::Running);
        // The free slot's claim waits at the coordinator by now, or is on its way.
        agent.program().signal(Signal::SIGUSR1);
        assert_eq!(agent.program().wait(Duration::from_secs(30)), 0);
        client.wait_for_state(&task_id, TaskState::Queued);
        client.cancel(&task_id);
    }
    let events = client.all_events();
    let started = count_by_task(&events, "lease_granted");
    assert!(
        started.len() == TRIES && started.values().all(|&times| times == 1),
        "{started:?}"
    );
}

#[test]
fn an_agent_that_leaves_when_idle_waits_for_what_is_due_soon_and_says_what_it_leaves() {
    let coordinator = Coordinator::start();
    let client = coordinator.client();
    for (id, delay) in [("soon", "4s"), ("tomorrow", "24h")] {
        let words = ["submit", "--id", id, "--delay", delay, "--", "true"];
        coordinator.swarmctl(&words).expect(0);
    }
    let mut agent = RealAgent::start(&coordinator, "a", &["--slots", "1", "--exit-when-idle"]);
    assert_eq!(agent.program().wait(Duration::from_secs(60)), 0);
    assert_eq!(client.task("soon").state(), TaskState::Succeeded);
    let log = agent.program().log();
    assert!(log.contains("tasks that it leaves: 1 delayed"), "{log}");
}
