//! The delivery of outcomes, and the fate of refused ones.

use std::{fs, time::Duration};

use nix::sys::signal::Signal;
use swarm_proto::v1::{Directive, attempt_report::Outcome};

use crate::{
    fake::Fake,
    program::{Home, until},
};

#[tokio::test]
async fn in_the_steady_state_a_task_costs_one_call() {
    let (fake, home) = (Fake::start().await, Home::new());
    for n in 0..20 {
        fake.submit(&format!("t{n}"), "true");
    }
    let (code, log) = home.start(&fake, &["--max-tasks", "20"]).end().await;
    assert_eq!(code, 0, "{log}");
    let world = fake.world();
    assert_eq!(
        (world.claims.len(), world.completes.len(), world.reports().len()),
        (1, 20, 20)
    );
}

#[tokio::test]
async fn a_report_whose_answer_is_lost_is_repeated_unchanged() {
    let (fake, home) = (Fake::start().await, Home::new());
    fake.world().lose_completes = 3;
    fake.submit("a", "echo out");
    fake.submit("b", "true");
    let (code, log) = home.start(&fake, &["--max-tasks", "2"]).end().await;
    assert_eq!(code, 0, "{log}");
    let world = fake.world();
    assert_eq!(world.completes[0], world.completes[3]);
    assert!(world.completes[0].claim_next.is_some());
    // The task in the lost answers ran once.
    assert_eq!(world.reports().len(), 5);
}

#[tokio::test]
async fn a_claim_whose_answer_is_lost_is_repeated_with_its_request_id() {
    let (fake, home) = (Fake::start().await, Home::new());
    fake.world().lose_claims = 2;
    fake.submit("a", "true");
    let (code, log) = home.start(&fake, &["--once"]).end().await;
    assert_eq!(code, 0, "{log}");
    let world = fake.world();
    let ids: Vec<_> = world.claims.iter().map(|claim| &claim.request_id).collect();
    assert!(ids.len() >= 2 && ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(world.reports().len(), 1);
}

#[tokio::test]
async fn an_outcome_survives_the_death_of_its_agent() {
    let (fake, home) = (Fake::start().await, Home::new());
    fake.world().lose_completes = usize::MAX;
    fake.submit("a", "echo precious");
    let agent = home.start(&fake, &[]);
    fake.report("a").await;
    agent.crash().await;
    assert_eq!(home.unconfirmed("c1"), ["a.1"]);

    fake.world().lose_completes = 0;
    let agent = home.start(&fake, &[]);
    until("the outbox is empty", || home.unconfirmed("c1").is_empty()).await;
    let world = fake.world();
    let held: Vec<_> = world.registered[1]
        .held
        .iter()
        .map(|lease| lease.task_id.as_str())
        .collect();
    assert_eq!(held, ["a"], "the second start did not list the unconfirmed lease");
    assert_eq!(world.registered[0].agent_id, world.registered[1].agent_id);
    let reports = world.reports();
    assert_eq!(reports[0], *reports.last().unwrap());
    drop((world, agent));
}

#[tokio::test]
async fn a_result_that_is_refused_is_kept_and_the_next_task_goes_on() {
    let (fake, home) = (Fake::start().await, Home::new());
    fake.world().refused.insert("a".to_owned());
    fake.submit("a", "echo precious");
    fake.submit("b", "true");
    let (code, log) = home.start(&fake, &["--max-tasks", "2"]).end().await;
    assert_eq!(code, 0, "{log}");
    assert!(matches!(
        fake.report("b").await.outcome,
        Some(Outcome::Success(_))
    ));
    let kept = home.find("outbox/c1/refused/a.1/stdout");
    assert_eq!(fs::read_to_string(&kept[0]).unwrap(), "precious\n");
    assert!(
        log.contains("LEASE_LOST") && log.contains(&kept[0].parent().unwrap().display().to_string()),
        "{log}"
    );
    assert!(home.unconfirmed("c1").is_empty());
}

#[tokio::test]
async fn a_lost_lease_ends_its_attempt_at_once_and_nothing_is_reported() {
    let (fake, home) = (Fake::start().await, Home::new());
    fake.submit("a", "echo begun; trap '' TERM; while :; do sleep 1; done");
    let agent = home.start(&fake, &[]);
    agent.until_log("started 'sh'").await;
    fake.world().directives.insert("a".to_owned(), Directive::Lost);
    until("the result is kept", || {
        !home.find("outbox/c1/refused/a.1/why").is_empty()
    })
    .await;
    until("the directory is kept", || !home.find("work/kept/a.1").is_empty()).await;
    fake.world().directives.clear();
    fake.submit("b", "true");
    fake.report("b").await;
    assert!(fake.world().report("a").is_none());
    // The log has the outcome's time and the result's place.
    let (log, kept) = (agent.log(), home.find("outbox/c1/refused/a.1").remove(0));
    for part in [
        "the lease was lost: its last renewal was sent at ",
        &kept.display().to_string(),
    ] {
        assert!(log.contains(part), "'{part}' is not in {log}");
    }
}

#[tokio::test]
async fn an_agent_that_is_not_known_any_more_registers_again() {
    let (fake, home) = (Fake::start().await, Home::new());
    let agent = home.start(&fake, &[]);
    fake.until("the first claim", |world| {
        (!world.claims.is_empty()).then_some(())
    })
    .await;
    fake.world().forget_agent = true;
    fake.until("the second registration", |world| {
        (world.registered.len() == 2).then_some(())
    })
    .await;
    fake.submit("a", "true");
    fake.report("a").await;
    assert_eq!(fake.world().claims.last().unwrap().session, 2);
    agent.signal(Signal::SIGTERM);
    assert_eq!(agent.end().await.0, 0);
}

#[tokio::test]
async fn a_coordinator_that_does_not_wait_is_asked_with_pauses() {
    let (fake, home) = (Fake::start().await, Home::new());
    fake.world().hasty = true;
    let _agent = home.start(&fake, &[]);
    let (first, last) = fake
        .until("claims", |world| {
            Some((*world.claimed_at.first()?, *world.claimed_at.get(12)?))
        })
        .await;
    // Twelve random pauses up to 200 ms, few of them below 100.
    let taken = last - first;
    assert!(taken > Duration::from_millis(600), "{taken:?}");
}

#[tokio::test]
async fn lengths_of_time_that_make_no_sense_do_no_harm() {
    let (fake, home) = (Fake::start().await, Home::new());
    for (n, seconds) in [i64::MIN, i64::MAX, -1].into_iter().enumerate() {
        {
            let mut world = fake.world();
            (world.lease_ttl, world.next_heartbeat) = (Some(seconds), seconds);
        }
        let agent = home.start(&fake, &["--claim-wait", "100ms"]);
        let task_id = format!("t{n}");
        fake.submit_with(&task_id, "sleep 0.3", |assignment| {
            assignment.timeout = Some(prost_types::Duration { seconds, nanos: -1 });
        });
        let report = fake.report(&task_id).await;
        assert!(matches!(report.outcome, Some(Outcome::Success(_))), "{report:?}");
        agent.signal(Signal::SIGTERM);
        let (code, log) = agent.end().await;
        assert!(code == 0 && !log.contains("bug"), "{log}");
    }
}
