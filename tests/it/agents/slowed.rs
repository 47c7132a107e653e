//! A machine that fails whatever it is given is given nothing for a growing time.

use std::time::Duration;

use swarm_proto::v1::{Blame, EmptyReason, Failure, LeaseRef, attempt_report::Outcome};

use crate::harness::{
    client::shell_task,
    coordinator::Coordinator,
    fake_agent::{FakeAgent, success},
};

/// Reports that an attempt failed by the machine's fault.
fn fail(agent: &FakeAgent, lease: &LeaseRef) {
    let mut report = success(lease, "");
    report.outcome = Some(Outcome::Failure(Failure {
        reason: "workspace".to_owned(),
        blame: Blame::Machine.into(),
        message: "no space left on device".to_owned(),
        ..Default::default()
    }));
    assert!(agent.report(vec![report])[0].accepted);
}

#[test]
fn a_machine_that_fails_everything_is_told_to_wait_longer_each_time_until_it_succeeds() {
    let coordinator = Coordinator::start();
    let client = coordinator.client();
    let tasks = (0..8).map(|n| shell_task(&format!("t{n}"), "true")).collect();
    client.submit(tasks);
    let mut broken = FakeAgent::register(&coordinator, "broken");
    let held = broken.claim_now(4).assignments;
    let leases: Vec<LeaseRef> = held.into_iter().map(|one| one.lease.unwrap()).collect();
    assert_eq!(leases.len(), 4);

    // There is work for it all the time: four more tasks are queued.
    let mut waits = Vec::new();
    for lease in &leases[..3] {
        fail(&broken, lease);
        let claimed = broken.claim_now(1);
        assert!(claimed.assignments.is_empty(), "{claimed:?}");
        assert_eq!(claimed.empty_reason(), EmptyReason::MachineSlowed);
        let wait = claimed.retry_after.expect("it is told for how long");
        waits.push(Duration::try_from(wait).unwrap());
        let task = client.task(&lease.task_id).tries.unwrap();
        assert_eq!((task.failures, task.losses), (0, 1), "{}", lease.task_id);
    }
    for (wait, seconds) in waits.iter().zip([10, 20, 40]) {
        let whole = Duration::from_secs(seconds);
        // Some of it has passed when the claim is answered, on a busy machine more.
        assert!(*wait <= whole && *wait > whole / 2, "told to wait {waits:?}");
    }

    // The others go on; and one success makes up for everything.
    let mut sound = FakeAgent::register(&coordinator, "sound");
    assert_eq!(sound.claim_now(1).assignments.len(), 1);
    assert!(broken.succeed(&leases[3], "").accepted);
    let claimed = broken.claim_now(1);
    assert_eq!((claimed.assignments.len(), claimed.retry_after), (1, None));
}
