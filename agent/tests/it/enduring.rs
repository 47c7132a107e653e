//! An agent through silence, stops, copies of itself and full disks.

use std::{
    fs,
    process::Command,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;
use swarm_proto::{call::status, reason::Reason, refusal::Details, v1::attempt_report::Outcome};
use tonic::Status;

use crate::{
    fake::Fake,
    program::{Home, until},
};

#[tokio::test]
async fn of_two_copies_of_an_identity_the_older_ends_and_the_newer_works() {
    let (fake, home) = (Fake::start().await, Home::new());
    let (one, two) = (home.path().join("one"), home.path().join("two"));
    let (one, two) = (one.to_str().unwrap(), two.to_str().unwrap());
    fake.submit("a", &home.patient("a"));
    let first = home.start(&fake, &["--state-dir", one]);
    home.begun("a").await;
    let copied = Command::new("cp").args(["-r", one, two]).status().unwrap();
    assert!(copied.success());
    let second = home.start(&fake, &["--state-dir", two]);
    let (code, log) = first.end().await;
    assert_eq!(code, 3, "{log}");
    assert!(
        log.contains("error: another agent works under this one's identity"),
        "{log}"
    );
    assert!(log.contains("a newer session exists"), "{log}");
    // The first agent ended its own attempt, so the result is no failure of the task.
    assert!(log.contains(r#"reason="the lease was lost""#), "{log}");
    assert!(fs::exists(format!("{one}/outbox/c1/refused/a.1/why")).unwrap());
    assert!(fake.world().report("a").is_none());

    fake.submit("b", "true");
    assert!(matches!(
        fake.report("b").await.outcome,
        Some(Outcome::Success(_))
    ));
    let world = fake.world();
    assert_eq!(world.registered[0].agent_id, world.registered[1].agent_id);
    drop(world);
    second.signal(Signal::SIGTERM);
    assert_eq!(second.end().await.0, 0);
}

#[tokio::test]
async fn work_goes_on_through_a_long_silence_and_is_reported_afterwards() {
    let (fake, home) = (Fake::start().await, Home::new());
    // Of such a short TTL the trust window is half.
    fake.world().lease_ttl = Some(6);
    fake.submit("a", &home.patient("a"));
    fake.submit("b", &home.patient("b"));
    let agent = home.start(&fake, &["--slots", "2", "--kill-grace", "1s"]);
    home.begun("a").await;
    home.begun("b").await;
    fake.world().away = true;
    agent.until_log("the lease was not renewed since").await;
    home.go("a");
    until("the outcome is kept", || !home.unconfirmed("c1").is_empty()).await;
    let tries = fake.world().asked;
    fake.until("more tries in vain", |world| {
        (world.asked > tries + 5).then_some(())
    })
    .await;
    assert!(fake.world().reports().is_empty());
    fake.world().away = false;
    assert!(matches!(
        fake.report("a").await.outcome,
        Some(Outcome::Success(_))
    ));
    home.go("b");
    assert!(matches!(
        fake.report("b").await.outcome,
        Some(Outcome::Success(_))
    ));
    agent.signal(Signal::SIGTERM);
    let (code, log) = agent.end().await;
    assert_eq!(code, 0, "{log}");
    assert_eq!((home.beginnings("a"), home.beginnings("b")), (1, 1));
    assert_eq!(fake.world().registered.len(), 1);
    assert!(log.contains("answers again"), "{log}");
}

#[tokio::test]
async fn in_silence_an_exclusive_attempt_ends_before_its_lease_and_others_go_on() {
    let (fake, home) = (Fake::start().await, Home::new());
    let lease_ttl = Duration::from_secs(10);
    fake.world().lease_ttl = Some(10);
    // The task ignores the request to end.
    let stubborn = format!("trap '' TERM; {}", home.patient("x"));
    fake.submit_with("x", &stubborn, |assignment| {
        assignment.spec.as_mut().unwrap().exclusive_group = "g".to_owned();
    });
    fake.submit("a", &home.patient("a"));
    let agent = home.start(&fake, &["--slots", "2", "--kill-grace", "10s"]);
    home.begun("x").await;
    home.begun("a").await;
    // The lease is renewed in time, again and again.
    let beats = fake.world().heartbeats.len();
    fake.until("renewals", |world| {
        let renewals = world.heartbeats.iter().skip(beats);
        let renewed = renewals.filter(|beat| beat.leases.iter().any(|lease| lease.task_id == "x"));
        (renewed.count() >= 5).then_some(())
    })
    .await;
    let work = home.find("work/x.1/work")[0].to_str().unwrap().to_owned();
    let silent = Instant::now();
    fake.world().away = true;
    until("the exclusive command is gone", || !runs_in(&work)).await;
    let gone = silent.elapsed();
    assert!(gone < lease_ttl, "it ended {gone:?} after the last renewal");
    agent
        .until_log("no other task of its exclusive group may run beside it")
        .await;
    fake.world().away = false;
    let report = fake.report("x").await;
    let Some(Outcome::Released(released)) = report.outcome else {
        panic!("not released: {report:?}")
    };
    assert!(
        !released.refused && released.reason.contains("exclusive group"),
        "{released:?}"
    );
    home.go("a");
    assert!(matches!(
        fake.report("a").await.outcome,
        Some(Outcome::Success(_))
    ));
}

#[tokio::test]
async fn a_stopped_agent_notices_the_silence_when_it_goes_on_and_reports_once() {
    let (fake, home) = (Fake::start().await, Home::new());
    fake.world().lease_ttl = Some(6);
    fake.submit("a", &home.patient("a"));
    fake.submit("b", &home.patient("b"));
    let agent = home.start(&fake, &["--slots", "2", "--kill-grace", "1s"]);
    home.begun("a").await;
    home.begun("b").await;
    fake.world().away = true;
    agent.signal(Signal::SIGSTOP);
    home.go("a");
    let work = home.find("work/a.1/work");
    let work = work[0].to_str().unwrap().to_owned();
    until("the command has ended unseen", || !runs_in(&work)).await;
    agent.signal(Signal::SIGCONT);
    agent.until_log("the lease was not renewed since").await;
    fake.world().away = false;
    let report = fake.report("a").await;
    assert!(matches!(report.outcome, Some(Outcome::Success(_))), "{report:?}");
    assert_eq!(report.output.unwrap().stdout, b"done\n");
    home.go("b");
    fake.report("b").await;
    let reports = fake.world().reports().len();
    assert_eq!(reports, 2);
}

/// Whether a process works in this directory.
fn runs_in(directory: &str) -> bool {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let mut places = processes.filter_map(|process| fs::read_link(process.path().join("cwd")).ok());
    places.any(|place| place.to_str() == Some(directory))
}

#[tokio::test]
async fn refusals_that_can_pass_keep_an_outcome_and_final_ones_do_not_block_the_next() {
    let (fake, home) = (Fake::start().await, Home::new());
    let busy = Details {
        retry_after: Some(Duration::from_millis(50)),
        ..Details::default()
    };
    fake.world().refusals.extend([
        status(Reason::ShuttingDown, "stopping", Details::default()),
        status(Reason::Busy, "too much", busy),
        Status::unauthenticated("the token has expired"),
        Status::unavailable("no connection"),
        Status::unknown("the answer was lost"),
    ]);
    fake.submit("a", "echo precious");
    let agent = home.start(&fake, &[]);
    fake.until("the sixth try", |world| {
        (world.completes.len() == 6).then_some(())
    })
    .await;
    until("the outbox is empty", || home.unconfirmed("c1").is_empty()).await;
    assert!(home.find("refused/a.1").is_empty());
    {
        let world = fake.world();
        assert!(world.reports().windows(2).all(|pair| pair[0] == pair[1]));
    }

    // Without a retry time the refusal is final.
    fake.world()
        .refusals
        .push_back(status(Reason::Busy, "never", Details::default()));
    fake.submit("b", "echo unwanted");
    fake.submit("c", "true");
    fake.report("c").await;
    until("the result is kept", || {
        !home.find("refused/b.1/report").is_empty()
    })
    .await;
    until("the outbox is empty", || home.unconfirmed("c1").is_empty()).await;
    agent.signal(Signal::SIGTERM);
    assert_eq!(agent.end().await.0, 0);
}

#[tokio::test]
async fn an_outcome_that_cannot_be_written_is_kept_and_nothing_more_is_claimed() {
    let (fake, home) = (Fake::start().await, Home::new());
    fake.submit("a", &home.patient("a"));
    let agent = home.start(&fake, &["--slots", "2"]);
    home.begun("a").await;
    // A file stands in the directory's place, so not even root can write there.
    let outbox = home.find("outbox/c1").remove(0);
    let aside = outbox.with_extension("aside");
    fs::rename(&outbox, &aside).unwrap();
    fs::write(&outbox, "").unwrap();
    fake.world().lose_completes = usize::MAX;
    home.go("a");
    agent.until_log("cannot write the outcome into the outbox").await;
    fake.submit("b", "echo b");
    let tries = fake.world().completes.len();
    fake.until("three more deliveries", |world| {
        (world.completes.len() >= tries + 3).then_some(())
    })
    .await;
    // The tasks claimed before the write failed are given back, unread.
    assert!(home.find("/b.1").is_empty(), "{}", agent.log());

    fs::remove_file(&outbox).unwrap();
    fs::rename(&aside, &outbox).unwrap();
    agent.until_log("the state directory can be written again").await;
    // Perhaps beside the outcome of the other task, which the agent may take again now.
    assert!(home.unconfirmed("c1").contains(&"a.1".to_owned()));
    assert!(home.find("/probe").is_empty());
    fake.world().lose_completes = 0;
    until("the outbox is empty", || home.unconfirmed("c1").is_empty()).await;
    fake.submit("c", "echo c");
    let report = fake.report("c").await;
    assert!(matches!(report.outcome, Some(Outcome::Success(_))), "{report:?}");
}

#[tokio::test]
async fn an_agent_that_starts_on_a_full_disk_claims_nothing_before_it_can_write() {
    let (fake, home) = (Fake::start().await, Home::new());
    let state = home.path().join("state");
    fs::create_dir(&state).unwrap();
    // The link leads nowhere, so not even root can write there.
    std::os::unix::fs::symlink("nowhere/at/all", state.join("marks")).unwrap();
    fake.submit("a", "true");
    let agent = home.start(
        &fake,
        &["--state-dir", state.to_str().unwrap(), "--claim-wait", "0"],
    );
    agent.until_log("cannot write in the state directory").await;
    fake.until("a heartbeat", |world| {
        (!world.heartbeats.is_empty()).then_some(())
    })
    .await;
    assert!(fake.world().claims.is_empty());
    fs::remove_file(state.join("marks")).unwrap();
    assert!(matches!(
        fake.report("a").await.outcome,
        Some(Outcome::Success(_))
    ));
}

#[tokio::test]
async fn an_agent_that_registers_again_lists_what_runs() {
    let (fake, home) = (Fake::start().await, Home::new());
    fake.submit("a", &home.patient("a"));
    let agent = home.start(&fake, &["--slots", "2"]);
    home.begun("a").await;
    fake.world().forget_agent = true;
    fake.until("the second registration", |world| {
        (world.registered.len() == 2).then_some(())
    })
    .await;
    let held: Vec<_> = fake.world().registered[1]
        .held
        .iter()
        .map(|lease| lease.task_id.clone())
        .collect();
    assert_eq!(held, ["a"]);
    home.go("a");
    assert!(matches!(
        fake.report("a").await.outcome,
        Some(Outcome::Success(_))
    ));
    assert_eq!(home.beginnings("a"), 1);
    agent.signal(Signal::SIGTERM);
    assert_eq!(agent.end().await.0, 0);
}
