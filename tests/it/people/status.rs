//! The status is true: its figures are those of what happened.

use std::time::Duration;

use swarm_proto::v1::TaskState;

use crate::harness::{
    PATIENCE,
    agent::RealAgent,
    client::{shell_task, with},
    coordinator::Coordinator,
    wait_for, wait_until,
};

/// Rates are those of a minute's whole seconds: so much may lie on either side of a look.
const RATED: Duration = Duration::from_secs(50);

#[test]
fn the_figures_of_the_status_are_those_of_what_happened() {
    let coordinator = Coordinator::start();
    let client = coordinator.client();
    let empty = client.status();
    assert_eq!(empty.oldest_queued_time, None);
    assert_eq!((empty.unmatched, empty.jobs, empty.slots), (0, 0, 0));

    let elsewhere = |id: &str| {
        with(shell_task(id, "true"), |spec| {
            spec.queue = "nobody".to_owned();
        })
    };
    client.submit(vec![elsewhere("first"), elsewhere("second")]);
    client.submit(vec![shell_task("good", "true"), shell_task("bad", "exit 7")]);
    let first = client.task("first");
    let queued = client.status();
    assert_eq!(queued.tasks.unwrap().queued, 4);
    assert_eq!(queued.oldest_queued_time, first.create_time);

    let _agent = RealAgent::start(&coordinator, "a", &["--slots", "2", "--queues", "default"]);
    client.wait_for_state("good", TaskState::Succeeded);
    client.wait_for_event("bad", "attempt_failed");
    client.cancel("bad");
    // The present second is not part of the rates yet.
    let status = wait_for("the rates have it all", PATIENCE, || {
        let status = client.status();
        let rates = status.rates.unwrap();
        (rates.submitted > 0.0 && rates.succeeded > 0.0 && rates.failed > 0.0).then_some(status)
    });
    let uptime = Duration::try_from(status.uptime.unwrap()).unwrap();
    assert!(uptime < RATED, "the machine is too busy to tell");
    let (rates, seconds) = (status.rates.unwrap(), uptime.as_secs().max(1) as f64);
    for (what, rate, count) in [
        ("submitted", rates.submitted, 4.0),
        ("succeeded", rates.succeeded, 1.0),
        ("failed", rates.failed, 1.0),
    ] {
        let told = rate * seconds;
        assert!(
            (told - count).abs() <= count / seconds + 0.01,
            "{what}: {told} in {seconds} s"
        );
    }
    assert!(
        rates.granted >= rates.succeeded + rates.failed - 0.01,
        "{rates:?}"
    );
    assert_eq!(status.unmatched, 2, "no agent serves their queue");
    assert_eq!(status.unmatched_task_id, "first");
    assert_eq!(status.oldest_queued_time, first.create_time);
    assert_eq!(status.slots, 2);
    assert_eq!(status.agents.unwrap().online, 1);

    wait_until("the store has what the journal has", || {
        let status = client.status();
        status.journal_lag == 0 && status.store_seq == status.journal_seq
    });
    let settled = client.status();
    let last = client.all_events().pop().unwrap();
    assert!(settled.journal_seq <= last.seq && settled.journal_seq >= status.journal_seq);
    assert_eq!(settled.as_of.unwrap().seq, settled.journal_seq);
    assert!(settled.journal_bytes > 0 && settled.store_bytes > 0);
    assert!(settled.free_bytes > Some(0) && !settled.disk_refuses_submits && !settled.disk_refuses_claims);
}
