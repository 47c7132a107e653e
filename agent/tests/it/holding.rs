//! Holds by people: pause, drain, stop, and their end.

use std::time::Duration;

use nix::sys::signal::Signal;
use swarm_proto::v1::{Directive, HoldKind, attempt_report::Outcome};
use tokio::time::Instant;

use crate::{
    fake::{Fake, hold::hold},
    program::{Home, is_alive, until},
};

/// Much less than the fake tells the agent to wait, and enough for a busy machine.
const SOON: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_pause_is_said_with_who_and_why_and_its_end_is_not_slept_through() {
    let (fake, home) = (Fake::start().await, Home::new());
    fake.world().hold = Some(hold(HoldKind::Pause));
    fake.world().retry_after = Some(300);
    fake.submit("a", "true");
    let agent = home.start(&fake, &["--claim-wait", "20s"]);
    agent
        .until_log(
            "ann@desk paused everything: new disks; nothing is given to this agent until that is lifted",
        )
        .await;
    fake.until("the claim", |world| (!world.claims.is_empty()).then_some(()))
        .await;
    let lifted = Instant::now();
    fake.world().hold = None;
    let report = fake.report("a").await;
    assert!(matches!(report.outcome, Some(Outcome::Success(_))), "{report:?}");
    assert!(lifted.elapsed() < SOON);
    agent
        .until_log("work may be given to this agent again after")
        .await;
    agent.signal(Signal::SIGTERM);
    let (code, log) = agent.end().await;
    assert_eq!(code, 0, "{log}");
    assert_eq!(log.matches("paused everything").count(), 1, "{log}");
}

#[tokio::test]
async fn a_drained_agent_gives_back_what_it_runs_politely_stays_and_works_again() {
    let (fake, home) = (Fake::start().await, Home::new());
    let script = "trap 'echo ended; exit 0' TERM; echo begun; while :; do sleep 0.02; done";
    fake.submit("a", script);
    let agent = home.start(&fake, &[]);
    agent.until_log("started 'sh'").await;
    {
        let mut world = fake.world();
        world.hold = Some(hold(HoldKind::Drain));
        world.directives.insert("a".to_owned(), Directive::Release);
    }
    let report = fake.report("a").await;
    let Some(Outcome::Released(released)) = report.outcome else {
        panic!("not released: {report:?}")
    };
    assert_eq!(released.reason, "the agent was told to give back what it runs");
    assert!(!released.refused);
    agent.until_log("ann@desk drained this agent: new disks").await;

    fake.submit("b", "true");
    fake.world().directives.clear();
    fake.world().hold = None;
    assert!(matches!(
        fake.report("b").await.outcome,
        Some(Outcome::Success(_))
    ));
    assert_eq!(fake.world().registered.len(), 1);
}

#[tokio::test]
async fn a_stop_kills_at_once_and_a_later_drain_signal_finds_nothing_left() {
    let (fake, home) = (Fake::start().await, Home::new());
    let pid = home.path().join("pid");
    fake.submit(
        "a",
        &format!(
            "trap '' TERM; echo $$ > {}; while :; do sleep 0.02; done",
            pid.display()
        ),
    );
    // Only a kill ends this task in time.
    let agent = home.start(&fake, &["--kill-grace", "10m"]);
    until("the command runs", || {
        std::fs::read_to_string(&pid).is_ok_and(|pid| pid.ends_with('\n'))
    })
    .await;
    {
        let mut world = fake.world();
        world.hold = Some(hold(HoldKind::Stop));
        world.directives.insert("a".to_owned(), Directive::Release);
    }
    let report = fake.report("a").await;
    assert!(matches!(report.outcome, Some(Outcome::Released(_))), "{report:?}");
    assert!(!is_alive(&std::fs::read_to_string(&pid).unwrap()));
    agent.until_log("ann@desk stopped all agents: new disks").await;
    agent.signal(Signal::SIGTERM);
    assert_eq!(agent.end().await.0, 0);
}

#[tokio::test]
async fn an_agent_that_is_to_leave_when_idle_waits_for_the_end_of_a_pause() {
    let (fake, home) = (Fake::start().await, Home::new());
    fake.world().hold = Some(hold(HoldKind::Pause));
    fake.submit("a", "true");
    let agent = home.start(&fake, &["--exit-when-idle"]);
    agent.until_log("ann@desk paused everything").await;
    let claims = fake.world().claims.len();
    fake.until("more claims", |world| {
        (world.claims.len() > claims + 2).then_some(())
    })
    .await;
    fake.world().hold = None;
    let (code, log) = agent.end().await;
    assert_eq!(code, 0, "{log}");
    assert!(fake.world().report("a").is_some());
}

#[tokio::test]
async fn a_drained_agent_that_is_to_leave_when_idle_leaves() {
    let (fake, home) = (Fake::start().await, Home::new());
    fake.world().hold = Some(hold(HoldKind::Drain));
    fake.submit("a", "true");
    let (code, log) = home.start(&fake, &["--exit-when-idle"]).end().await;
    assert_eq!(code, 0, "{log}");
    assert_eq!(fake.world().queue.len(), 1);
}

#[tokio::test]
async fn a_task_that_was_given_back_does_not_count_as_the_one_it_was_started_for() {
    let (fake, home) = (Fake::start().await, Home::new());
    fake.submit("a", "exec sleep 600");
    let agent = home.start(&fake, &["--once"]);
    agent.until_log("started 'sh'").await;
    {
        let mut world = fake.world();
        world.hold = Some(hold(HoldKind::Stop));
        world.directives.insert("a".to_owned(), Directive::Release);
    }
    fake.report("a").await;
    fake.world().directives.clear();
    fake.submit("b", "true");
    fake.submit("c", "true");
    fake.world().hold = None;
    let (code, log) = agent.end().await;
    assert_eq!(code, 0, "{log}");
    assert!(fake.world().report("b").is_some());
    assert_eq!(fake.world().queue.len(), 1);
}
