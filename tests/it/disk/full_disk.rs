//! A disk that fills while the coordinator works on it.

use std::collections::BTreeMap;

use swarm_proto::{
    reason::Reason,
    v1::{LeaseRef, NewTask, TaskState},
};

use crate::harness::{
    PATIENCE,
    client::{refusal, shell_task},
    coordinator::Coordinator,
    fake_agent::FakeAgent,
    small_disk::SmallDisk,
    wait_for,
};

const MIB: u64 = 1024 * 1024;

/// Claims every task of these tests at once.
const SLOTS: u32 = 1_000;

fn ids(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|index| format!("{prefix}-{index}")).collect()
}

fn tasks(prefix: &str, count: usize) -> Vec<NewTask> {
    let ids = ids(prefix, count);
    ids.iter().map(|id| shell_task(id, "true")).collect()
}

fn register(coordinator: &Coordinator) -> FakeAgent {
    FakeAgent::register_with(coordinator, "agent", |agent| agent.slots = SLOTS).unwrap()
}

fn claim(agent: &mut FakeAgent, most: u32) -> Vec<LeaseRef> {
    let assignments = agent.claim_now(most).assignments.into_iter();
    assignments.map(|each| each.lease.unwrap()).collect()
}

/// Reports success, with this many bytes of output.
fn complete(agent: &FakeAgent, lease: &LeaseRef, bytes: usize) {
    assert_eq!(agent.succeed(lease, &"x".repeat(bytes)).refusal, None);
}

#[test]
fn submits_are_refused_then_claims_and_what_runs_can_end_and_work_goes_on_when_space_returns() {
    let Some(disk) = SmallDisk::mount(180) else { return };
    let logs = tempfile::tempdir().unwrap();
    let mut coordinator = Coordinator::serving_data(&disk.path().join("data"), logs.path());
    let client = coordinator.client();
    let mut agent = register(&coordinator);
    client.submit(tasks("task", 30));
    let mut running = claim(&mut agent, 10);

    disk.leave(50 * MIB);
    wait_for("submits are refused", PATIENCE, || {
        let answer = client.try_submit(tasks("one-more", 1));
        (refusal(&answer) == Some(Reason::DiskFull)).then_some(())
    });
    running.extend(claim(&mut agent, 5));
    assert_eq!(running.len(), 15);

    disk.leave(20 * MIB);
    wait_for("claims are refused", PATIENCE, || {
        let answer = agent.try_claim_now(1);
        let refused = refusal(&answer) == Some(Reason::DiskFull);
        let assignments = answer.unwrap_or_default().assignments;
        running.extend(assignments.into_iter().map(|each| each.lease.unwrap()));
        refused.then_some(())
    });

    // Nothing at all is left: what has begun still ends.
    disk.leave(0);
    for lease in &running {
        complete(&agent, lease, 10_000);
    }
    for lease in &running {
        assert_eq!(client.task(&lease.task_id).state(), TaskState::Succeeded);
    }

    disk.empty();
    wait_for("submits are taken", PATIENCE, || {
        client.try_submit(tasks("later", 10)).ok()
    });
    loop {
        let leases = claim(&mut agent, 10);
        if leases.is_empty() {
            break;
        }
        for lease in &leases {
            complete(&agent, lease, 10);
        }
    }
    for id in ids("task", 30).iter().chain(&ids("later", 10)) {
        assert_eq!(client.task(id).state(), TaskState::Succeeded, "{id}");
    }
    assert_eq!(coordinator.stop(PATIENCE), 0);
}

#[test]
fn a_coordinator_that_has_used_up_its_reserve_ends_and_has_lost_nothing() {
    let Some(disk) = SmallDisk::mount(120) else { return };
    let logs = tempfile::tempdir().unwrap();
    let data = disk.path().join("data");
    let mut coordinator = Coordinator::serving_data(&data, logs.path());
    let mut agent = register(&coordinator);
    coordinator.client().submit(tasks("task", 20));
    let leases = claim(&mut agent, 20);
    disk.leave(0);

    // Registrations are not refused, and as large as labels may be.
    let labels: BTreeMap<String, String> = (0..4)
        .map(|index| (format!("label-{index}"), "x".repeat(1_000)))
        .collect();
    let (mut acknowledged, mut registrations) = (0, 0);
    let mut leases_left = leases.iter();
    while agent
        .register_again(|agent| agent.labels.extend(labels.clone()))
        .is_ok()
    {
        acknowledged = agent.session();
        registrations += 1;
        if registrations % 300 == 0
            && let Some(lease) = leases_left.next()
        {
            complete(&agent, lease, 1_000);
        }
    }
    let completed = leases.len() - leases_left.len();
    let code = coordinator.program().wait(PATIENCE);
    let log = coordinator.program().log();
    assert_eq!(code, 74, "{log}");
    let error = log.lines().find(|line| line.starts_with("error: ")).unwrap();
    assert!(error.contains("cannot write to the journal"), "{error}");
    assert!(
        log.contains("help: nothing that was acknowledged is lost"),
        "{log}"
    );
    println!("{registrations} registrations of 4 kB and {completed} reports went into the reserve");
    assert!(registrations > 1_500 && completed > 4);

    disk.empty();
    coordinator.start_again();
    let client = coordinator.client();
    for lease in &leases[..completed] {
        assert_eq!(client.task(&lease.task_id).state(), TaskState::Succeeded);
    }
    assert!(register(&coordinator).session() > acknowledged);
    assert_eq!(coordinator.stop(PATIENCE), 0);
}
