//! An older copy of the data in the place of the newer ones: agents have seen what is missing.

use std::{fs, time::Duration};

use swarm_proto::{
    reason::Reason,
    v1::{AsOf, HeartbeatRequest, TaskState},
};

use crate::harness::{
    agent::RealAgent,
    client::{reason, shell_task},
    coordinator::Coordinator,
    copy_dir,
    fake_agent::FakeAgent,
    wait_until,
};

/// For an end of the coordinator.
const SECONDS: Duration = Duration::from_secs(15);

#[test]
fn a_coordinator_that_is_behind_what_its_agents_saw_says_so() {
    let mut coordinator = Coordinator::with(&["--lease-ttl", "2s"]);
    let _agent = RealAgent::start(&coordinator, "a", &[]);
    let run = |coordinator: &Coordinator, id: &str| {
        let client = coordinator.client();
        client.submit(vec![shell_task(id, "true")]);
        client.wait_for_state(id, TaskState::Succeeded);
    };
    run(&coordinator, "before");
    assert_eq!(coordinator.stop(SECONDS), 0);
    let older = coordinator.dir().join("older");
    copy_dir(&coordinator.data_dir(), &older);
    coordinator.start_again();
    for index in 0..10 {
        run(&coordinator, &format!("lost-{index}"));
    }
    assert_eq!(coordinator.client().status().agents_saw_seq, 0);

    assert_eq!(coordinator.stop(SECONDS), 0);
    fs::rename(coordinator.data_dir(), coordinator.dir().join("newer")).unwrap();
    fs::rename(older, coordinator.data_dir()).unwrap();
    coordinator.start_again();
    wait_until("its agent bears witness", || {
        coordinator.client().status().agents_saw_seq > 0
    });
    let log = coordinator.program().log();
    assert!(log.contains("older than what was acknowledged"), "{log}");
    let said = coordinator.swarmctl(&["status"]).expect(0).stdout;
    assert!(said.contains("which the journal did not have"), "{said}");
    let said = coordinator.swarmctl(&["doctor"]).stdout;
    assert!(said.contains("an agent has seen event"), "{said}");
}

#[test]
fn only_an_agent_whose_session_is_accepted_bears_witness() {
    let coordinator = Coordinator::start();
    let agent = FakeAgent::register(&coordinator, "a");
    let client = coordinator.client();
    let history = client.status().as_of.unwrap().history;
    let seen = |seq| {
        Some(AsOf {
            history: history.clone(),
            seq,
        })
    };
    let heartbeat = |session| {
        let request = HeartbeatRequest {
            agent_id: "a".into(),
            session,
            seen: seen(1_000_000),
            ..Default::default()
        };
        client.call(client.coordinator_service().heartbeat(request))
    };
    let stranger = heartbeat(agent.session() - 1);
    assert_eq!(reason(stranger), Reason::AgentReplaced);
    assert_eq!(client.status().agents_saw_seq, 0);
    heartbeat(agent.session()).unwrap();
    assert_eq!(client.status().agents_saw_seq, 1_000_000);
    // The record of an agent may be among what was lost.
    FakeAgent::register_with(&coordinator, "unknown", |request| request.seen = seen(2_000_000)).unwrap();
    assert_eq!(client.status().agents_saw_seq, 2_000_000);
}

#[test]
fn an_empty_directory_is_announced() {
    let mut coordinator = Coordinator::start();
    let log = coordinator.program().log();
    assert!(
        log.contains("WARN") && log.contains("there are no data of a coordinator in"),
        "{log}"
    );
    assert_eq!(coordinator.stop(SECONDS), 0);
    coordinator.start_again();
    let log = coordinator.program().log();
    assert_eq!(
        log.matches("there are no data of a coordinator in").count(),
        1,
        "{log}"
    );
}
