//! Another coordinator, with other data, at the address of the agent's own.

use nix::sys::signal::Signal;
use swarm_proto::{
    call::status,
    reason::Reason,
    refusal::Details,
    v1::{Blame, DependencyOutput, Directive, attempt_report::Outcome},
};
use tonic::Status;

use crate::{
    fake::{Fake, world::World},
    program::{Home, until},
};

/// The requests to the coordinator that belong to one cluster.
fn told(world: &World) -> [usize; 4] {
    [
        world.registered.len(),
        world.claims.len(),
        world.heartbeats.len(),
        world.completes.len(),
    ]
}

/// Waits until the agent has tried again a few times.
async fn more_tries(fake: &Fake) {
    let tries = fake.world().asked;
    fake.until("more tries", |world| (world.asked > tries + 4).then_some(()))
        .await;
}

#[tokio::test]
async fn another_coordinator_is_told_nothing_and_nothing_it_says_is_believed() {
    type Change = fn(&mut World);
    let claims_another_session: Change = |world| world.replaced = true;
    let knows_no_agent: Change = |world| world.forget_agent = true;
    let takes_the_lease_away: Change = |world| {
        world.directives.insert("a".to_owned(), Directive::Lost);
    };
    for (says, is_noticed) in [
        (claims_another_session, true),
        (claims_another_session, false),
        (knows_no_agent, false),
        (takes_the_lease_away, false),
    ] {
        let (fake, home) = (Fake::start().await, Home::new());
        fake.submit("a", &home.patient("a"));
        let agent = home.start(&fake, &["--slots", "2"]);
        home.begun("a").await;
        if is_noticed {
            fake.world().away = true;
            more_tries(&fake).await;
        }
        {
            let mut world = fake.world();
            world.cluster_id = Some("c2");
            world.away = false;
            says(&mut world);
        }
        agent.until_log("another coordinator, with other data (c2)").await;
        more_tries(&fake).await;
        let before = told(&fake.world());
        home.go("a");
        until("the outcome is kept", || !home.unconfirmed("c1").is_empty()).await;
        more_tries(&fake).await;
        assert_eq!(told(&fake.world()), before);

        {
            let mut world = fake.world();
            (world.cluster_id, world.replaced, world.forget_agent) = (None, false, false);
            world.directives.clear();
        }
        let report = fake.report("a").await;
        assert!(matches!(report.outcome, Some(Outcome::Success(_))), "{report:?}");
        agent.signal(Signal::SIGTERM);
        let (code, log) = agent.end().await;
        assert_eq!(code, 0, "{log}");
        assert!(log.contains("answers again"), "{log}");
        assert_eq!((home.beginnings("a"), fake.world().registered.len()), (1, 1));
    }
}

#[tokio::test]
async fn another_coordinator_that_stays_is_begun_with_anew_and_each_gets_its_own_results() {
    let (fake, home) = (Fake::start().await, Home::new());
    fake.world().lease_ttl = Some(2);
    fake.submit("a", &home.patient("a"));
    let agent = home.start(&fake, &[]);
    home.begun("a").await;
    fake.world().away = true;
    more_tries(&fake).await;
    {
        let mut world = fake.world();
        (world.away, world.cluster_id) = (false, Some("c2"));
    }
    agent.until_log("another coordinator, with other data (c2)").await;
    fake.submit("b", "true");
    home.go("a");
    let report = fake.report("b").await;
    assert!(matches!(report.outcome, Some(Outcome::Success(_))), "{report:?}");
    {
        let world = fake.world();
        assert!(world.report("a").is_none() && world.registered[1].held.is_empty());
    }
    assert_eq!(home.unconfirmed("c1"), ["a.1"]);
    until("the other outbox is empty", || home.unconfirmed("c2").is_empty()).await;

    // The agent holds nothing of the other coordinator, so it need not wait.
    fake.world().away = true;
    more_tries(&fake).await;
    {
        let mut world = fake.world();
        (world.away, world.cluster_id) = (false, None);
    }
    let report = fake.report("a").await;
    assert!(matches!(report.outcome, Some(Outcome::Success(_))), "{report:?}");
    let held = fake.world().registered[2].held.clone();
    assert_eq!(held[0].task_id, "a");
    assert_eq!(home.beginnings("a"), 1);
    agent.signal(Signal::SIGTERM);
    let (code, log) = agent.end().await;
    assert_eq!(code, 0, "{log}");
}

#[tokio::test]
async fn a_task_whose_inputs_another_coordinator_refuses_is_given_back() {
    let (fake, home) = (Fake::start().await, Home::new());
    {
        let mut world = fake.world();
        world.refuse_get_task = Some(no_such_task());
        world.cluster_id_after_get_task = Some("c2");
    }
    submit_with_large_input(&fake);
    let agent = home.start(&fake, &[]);
    agent.until_log("another coordinator, with other data (c2)").await;
    fake.world().cluster_id = None;
    let report = fake.report("a").await;
    let Some(Outcome::Released(released)) = report.outcome else {
        panic!("not given back: {report:?}")
    };
    assert_eq!(
        released.reason,
        "cannot read what the dependency large printed: another coordinator answers"
    );
}

#[tokio::test]
async fn inputs_that_the_coordinator_does_not_give_are_no_fault_of_the_task() {
    let (fake, home) = (Fake::start().await, Home::new());
    fake.world().refuse_get_task = Some(no_such_task());
    submit_with_large_input(&fake);
    home.start(&fake, &["--once"]).end().await;
    let Some(Outcome::Failure(failure)) = fake.world().report("a").unwrap().outcome else {
        panic!("no failure")
    };
    assert_eq!(
        (failure.reason.as_str(), failure.blame()),
        ("inputs", Blame::Machine)
    );
    assert_eq!(
        failure.message,
        "cannot read what the dependency large printed: there is no task large (TASK_NOT_FOUND)"
    );
}

fn submit_with_large_input(fake: &Fake) {
    fake.submit_with("a", "true", |assignment| {
        assignment.dependencies = vec![DependencyOutput {
            task_id: "large".to_owned(),
            omitted: true,
            ..DependencyOutput::default()
        }];
    });
}

fn no_such_task() -> Status {
    status(Reason::TaskNotFound, "there is no task large", Details::default())
}
