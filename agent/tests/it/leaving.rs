//! Ways out of an agent: drained, hurried, stopped, replaced, done.

use nix::sys::signal::Signal;
use swarm_proto::v1::attempt_report::Outcome;

use crate::{
    fake::Fake,
    program::{Agent, Home, is_alive, until},
};

/// An agent with task `a`, which runs until `home/go` exists; and the process id of the task's command.
async fn busy(fake: &Fake, home: &Home, script: &str) -> (Agent, String) {
    let (go, pid) = (home.path().join("go"), home.path().join("pid"));
    let (written, there) = (pid.display(), go.display());
    let wait = format!(
        "echo $$ > {written}.new; mv {written}.new {written}; while [ ! -e {there} ]; do sleep 0.02; done"
    );
    fake.submit("a", &format!("{script} {wait}"));
    let agent = home.start(fake, &["--kill-grace", "300ms"]);
    until("the command runs", || pid.exists()).await;
    (agent, std::fs::read_to_string(pid).unwrap())
}

#[tokio::test]
async fn a_draining_agent_finishes_what_runs_and_claims_nothing_more() {
    let (fake, home) = (Fake::start().await, Home::new());
    let (agent, _) = busy(&fake, &home, "").await;
    agent.signal(Signal::SIGTERM);
    fake.until("a draining heartbeat", |world| {
        world.heartbeats.iter().any(|beat| beat.draining).then_some(())
    })
    .await;
    fake.submit("b", "true");
    std::fs::write(home.path().join("go"), "").unwrap();
    let (code, log) = agent.end().await;
    assert_eq!(code, 0, "{log}");
    let world = fake.world();
    assert!(matches!(
        world.report("a").unwrap().outcome,
        Some(Outcome::Success(_))
    ));
    assert_eq!((world.queue.len(), world.goodbyes), (1, 1));
}

/// An agent that has heard a signal, and whose registration is not answered.
async fn signalled_while_it_registers(fake: &Fake, home: &Home) -> Agent {
    fake.world().withholds_registrations = true;
    let agent = home.start(fake, &[]);
    fake.until("a registration", |world| {
        (world.registered.len() == 1).then_some(())
    })
    .await;
    agent.signal(Signal::SIGTERM);
    agent
        .until_log("the answer to the registration is waited for")
        .await;
    agent
}

#[tokio::test]
async fn an_agent_that_a_signal_finds_registering_says_goodbye() {
    let (fake, home) = (Fake::start().await, Home::new());
    let agent = signalled_while_it_registers(&fake, &home).await;
    fake.world().withholds_registrations = false;
    let (code, log) = agent.end().await;
    assert_eq!(code, 0, "{log}");
    let world = fake.world();
    assert_eq!((world.goodbyes, world.claims.len()), (1, 0), "{log}");
}

#[tokio::test]
async fn a_second_signal_ends_an_agent_whose_registration_nobody_answers() {
    let (fake, home) = (Fake::start().await, Home::new());
    let agent = signalled_while_it_registers(&fake, &home).await;
    agent.signal(Signal::SIGTERM);
    let (code, log) = agent.end().await;
    assert_eq!((code, fake.world().goodbyes), (0, 0), "{log}");
    assert!(log.contains("a second signal came"), "{log}");
}

#[tokio::test]
async fn a_second_signal_ends_what_runs_and_gives_it_back() {
    let (fake, home) = (Fake::start().await, Home::new());
    let (agent, pid) = busy(&fake, &home, "trap '' TERM;").await;
    agent.signal(Signal::SIGTERM);
    agent.until_log("draining").await;
    agent.signal(Signal::SIGINT);
    let (code, log) = agent.end().await;
    assert_eq!(code, 0, "{log}");
    assert!(matches!(
        fake.world().report("a").unwrap().outcome,
        Some(Outcome::Released(_))
    ));
    assert!(!is_alive(&pid));
}

#[tokio::test]
async fn a_drain_that_takes_too_long_ends_what_runs() {
    let (fake, home) = (Fake::start().await, Home::new());
    fake.submit("a", "exec sleep 600");
    let agent = home.start(&fake, &["--drain-timeout", "200ms"]);
    agent.until_log("started 'sh'").await;
    agent.signal(Signal::SIGTERM);
    let (code, log) = agent.end().await;
    assert_eq!(code, 0, "{log}");
    assert!(matches!(
        fake.world().report("a").unwrap().outcome,
        Some(Outcome::Released(_))
    ));
}

#[tokio::test]
async fn usr1_stops_at_once() {
    let (fake, home) = (Fake::start().await, Home::new());
    let (agent, pid) = busy(&fake, &home, "trap '' TERM;").await;
    agent.signal(Signal::SIGUSR1);
    let (code, log) = agent.end().await;
    assert_eq!(code, 0, "{log}");
    assert!(matches!(
        fake.world().report("a").unwrap().outcome,
        Some(Outcome::Released(_))
    ));
    assert!(!is_alive(&pid));
}

#[tokio::test]
async fn an_agent_with_a_free_slot_does_not_take_back_what_it_gives_back() {
    for signals in [&[Signal::SIGUSR1][..], &[Signal::SIGTERM, Signal::SIGTERM]] {
        let (fake, home) = (Fake::start().await, Home::new());
        fake.world().requeues = true;
        fake.submit("a", &format!("trap '' TERM; {}", home.patient("a")));
        let agent = home.start(&fake, &["--slots", "2", "--kill-grace", "100ms"]);
        home.begun("a").await;
        fake.until("a claim for the free slot waits", |world| {
            world.claims.last()?.wait.is_some().then_some(())
        })
        .await;
        for (index, signal) in signals.iter().enumerate() {
            if index > 0 {
                agent.until_log("draining").await;
            }
            agent.signal(*signal);
        }
        let (code, log) = agent.end().await;
        assert_eq!(code, 0, "{log}");
        let world = fake.world();
        assert_eq!(
            (world.granted.len(), world.queue.len(), world.goodbyes),
            (1, 1, 1),
            "{log}"
        );
        assert_eq!(home.beginnings("a"), 1);
    }
}

#[tokio::test]
async fn an_idle_agent_leaves_at_once() {
    let (fake, home) = (Fake::start().await, Home::new());
    let agent = home.start(&fake, &["--claim-wait", "30s"]);
    fake.until("the claim", |world| (!world.claims.is_empty()).then_some(()))
        .await;
    agent.signal(Signal::SIGTERM);
    let (code, log) = agent.end().await;
    assert_eq!((code, fake.world().goodbyes), (0, 1), "{log}");
}

#[tokio::test]
async fn a_replaced_agent_ends_its_work_and_says_why() {
    let (fake, home) = (Fake::start().await, Home::new());
    let pid = home.path().join("pid");
    fake.submit("a", &format!("echo $$ > {}; exec sleep 600", pid.display()));
    let agent = home.start(&fake, &["--slots", "2"]);
    until("the command runs", || {
        std::fs::read_to_string(&pid).is_ok_and(|pid| pid.ends_with('\n'))
    })
    .await;
    fake.world().replaced = true;
    let (code, log) = agent.end().await;
    assert_eq!(code, 3, "{log}");
    assert!(
        log.contains("error: another agent works under this one's identity"),
        "{log}"
    );
    assert!(!is_alive(&std::fs::read_to_string(&pid).unwrap()));
    assert_eq!(home.find("outbox/c1/refused/a.1/why").len(), 1);
}

#[tokio::test]
async fn exactly_as_many_tasks_as_asked_for_are_claimed() {
    let (fake, home) = (Fake::start().await, Home::new());
    for n in 0..10 {
        fake.submit(&format!("t{n}"), "true");
    }
    let (code, log) = home
        .start(&fake, &["--max-tasks", "3", "--slots", "4"])
        .end()
        .await;
    assert_eq!(code, 0, "{log}");
    let world = fake.world();
    assert_eq!(
        (world.queue.len(), world.reports().len(), world.goodbyes),
        (7, 3, 1)
    );
}

#[tokio::test]
async fn an_agent_that_is_to_leave_when_idle_does_the_rest_first() {
    let (fake, home) = (Fake::start().await, Home::new());
    for n in 0..7 {
        fake.submit(&format!("t{n}"), "true");
    }
    let (code, log) = home
        .start(&fake, &["--exit-when-idle", "--slots", "3"])
        .end()
        .await;
    assert_eq!(code, 0, "{log}");
    let world = fake.world();
    assert_eq!(
        (world.queue.len(), world.reports().len(), world.goodbyes),
        (0, 7, 1)
    );
}

#[tokio::test]
async fn the_last_word_of_an_interrupted_agent_is_what_is_unconfirmed() {
    let (fake, home) = (Fake::start().await, Home::new());
    fake.world().lose_completes = usize::MAX;
    fake.submit("a", "true");
    let agent = home.start(&fake, &[]);
    fake.report("a").await;
    agent.signal(Signal::SIGUSR1);
    let (code, log) = agent.end().await;
    assert_eq!(code, 0, "{log}");
    let last = log.lines().last().unwrap();
    assert!(last.contains("leaving 1 result unconfirmed in "), "{log}");
    assert_eq!(home.unconfirmed("c1"), ["a.1"]);
}
