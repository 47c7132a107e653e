//! A disk that fills while the coordinator works on it.

use std::collections::BTreeMap;

use swarm_proto::{reason::Reason, v1::TaskState};

use crate::{
    client::reason,
    disk::Disk,
    program::{Coordinator, wait_for},
};

const MIB: u64 = 1024 * 1024;

fn ids(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|index| format!("{prefix}-{index}")).collect()
}

#[test]
fn submits_are_refused_then_claims_and_what_runs_can_end_and_work_goes_on_when_space_returns() {
    let Some(disk) = Disk::mount(180) else { return };
    let logs = tempfile::tempdir().unwrap();
    let coordinator = Coordinator::serve(&disk.path().join("data"), &logs.path().join("log"), &[]);
    let client = coordinator.client();
    let session = client.register(BTreeMap::new()).unwrap();
    client.submit(ids("task", 30)).unwrap();
    let mut running = client.claim(session, 10).unwrap();

    disk.leave(50 * MIB);
    wait_for("submits to be refused", || {
        let answer = client.submit(["one-more".to_owned()]);
        (reason(&answer) == Some(Reason::DiskFull)).then_some(())
    });
    running.extend(client.claim(session, 5).unwrap());
    assert_eq!(running.len(), 15);

    disk.leave(20 * MIB);
    wait_for("claims to be refused", || {
        let answer = client.claim(session, 1);
        let refused = reason(&answer) == Some(Reason::DiskFull);
        running.extend(answer.unwrap_or_default());
        refused.then_some(())
    });

    // Nothing at all is left: what has begun still ends.
    disk.leave(0);
    for lease in &running {
        client.complete(lease, 10_000).unwrap();
    }
    for lease in &running {
        assert_eq!(client.state(&lease.task_id).unwrap(), TaskState::Succeeded);
    }

    disk.empty();
    wait_for("submits to be taken", || client.submit(ids("later", 10)).ok());
    loop {
        let leases = client.claim(session, 10).unwrap();
        if leases.is_empty() {
            break;
        }
        for lease in &leases {
            client.complete(lease, 10).unwrap();
        }
    }
    for id in ids("task", 30).iter().chain(&ids("later", 10)) {
        assert_eq!(client.state(id).unwrap(), TaskState::Succeeded, "{id}");
    }
    coordinator.stop();
}

#[test]
fn a_coordinator_that_has_used_up_its_reserve_ends_and_has_lost_nothing() {
    let Some(disk) = Disk::mount(120) else { return };
    let logs = tempfile::tempdir().unwrap();
    let data = disk.path().join("data");
    let mut coordinator = Coordinator::serve(&data, &logs.path().join("log"), &[]);
    let client = coordinator.client();
    let session = client.register(BTreeMap::new()).unwrap();
    client.submit(ids("task", 20)).unwrap();
    let leases = client.claim(session, 20).unwrap();
    disk.leave(0);

    // Registrations are neither refused nor small.
    let labels: BTreeMap<String, String> = (0..60)
        .map(|index| (format!("label-{index}"), "x".repeat(1_000)))
        .collect();
    let mut acknowledged = 0;
    let mut leases_left = leases.iter();
    while let Ok(session) = client.register(labels.clone()) {
        acknowledged = session;
        if session % 20 == 0
            && let Some(lease) = leases_left.next()
        {
            client.complete(lease, 1_000).unwrap();
        }
    }
    let completed = leases.len() - leases_left.len();
    assert_eq!(coordinator.wait_for_end(), Some(74), "{}", coordinator.log());
    let log = coordinator.log();
    let error = log.lines().find(|line| line.starts_with("error: ")).unwrap();
    assert!(error.contains("cannot write to the journal"), "{error}");
    assert!(
        log.contains("help: nothing that was acknowledged is lost"),
        "{log}"
    );
    println!("{acknowledged} registrations of 60 kB and {completed} reports went into the reserve");
    assert!(acknowledged > 100 && completed > 4);

    disk.empty();
    let coordinator = Coordinator::serve(&data, &logs.path().join("log"), &[]);
    let client = coordinator.client();
    for lease in &leases[..completed] {
        assert_eq!(client.state(&lease.task_id).unwrap(), TaskState::Succeeded);
    }
    assert!(client.register(BTreeMap::new()).unwrap() > acknowledged);
    coordinator.stop();
}
