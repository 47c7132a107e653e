//! How an agent comes up: its directory, its coordinator, its flags.

use std::fs;

use crate::{
    fake::Fake,
    program::{Home, until},
};

#[tokio::test]
async fn an_agent_waits_for_a_coordinator_that_is_away_and_says_so() {
    let (fake, home) = (Fake::reserve().await, Home::new());
    let agent = home.start(&fake, &["--once"]);
    agent
        .until_log(&format!(
            "error: cannot reach the coordinator at {}: ",
            fake.address()
        ))
        .await;
    agent.until_log("help: nothing listens there").await;
    fake.submit("a", "true");
    fake.serve().await;
    let (code, log) = agent.end().await;
    assert_eq!(code, 0, "{log}");
    assert_eq!(log.matches("cannot reach").count(), 1, "{log}");
}

#[tokio::test]
async fn the_next_of_several_coordinators_is_tried() {
    let (away, fake, home) = (Fake::reserve().await, Fake::start().await, Home::new());
    fake.submit("a", "true");
    let both = format!("{},{}", away.address(), fake.address());
    let (code, log) = home.start_with(&both, &["--once"]).end().await;
    assert_eq!(code, 0, "{log}");
}

#[tokio::test]
async fn two_agents_on_one_host_just_work_and_restarts_keep_their_identities() {
    let (fake, home) = (Fake::start().await, Home::new());
    let first = home.start(&fake, &[]);
    fake.until("the first", |world| (world.registered.len() == 1).then_some(()))
        .await;
    let second = home.start(&fake, &[]);
    fake.until("the second", |world| (world.registered.len() == 2).then_some(()))
        .await;
    first.crash().await;
    second.crash().await;
    let again = home.start(&fake, &[]);
    fake.until("the third", |world| (world.registered.len() == 3).then_some(()))
        .await;
    let world = fake.world();
    let ids: Vec<_> = world.registered.iter().map(|request| &request.agent_id).collect();
    assert_ne!(ids[0], ids[1]);
    assert!(ids[..2].contains(&ids[2]));
    drop((world, again));
}

#[tokio::test]
async fn a_name_in_use_is_refused_with_a_sentence() {
    let (fake, home) = (Fake::start().await, Home::new());
    let _first = home.start(&fake, &["--name", "lab"]);
    fake.until("the first", |world| (world.registered.len() == 1).then_some(()))
        .await;
    let (code, log) = home.start(&fake, &["--name", "lab"]).end().await;
    assert_eq!(code, 3, "{log}");
    assert!(
        log.contains("error: another agent uses the state directory"),
        "{log}"
    );
    assert_eq!(fake.world().registered[0].name, "lab");
}

#[tokio::test]
async fn what_a_killed_agent_left_in_its_workspace_is_kept() {
    let (fake, home) = (Fake::start().await, Home::new());
    fake.submit("a", "echo half > left; exec sleep 2");
    let agent = home.start(&fake, &[]);
    until("the command runs", || !home.find("work/a.1/work/left").is_empty()).await;
    agent.crash().await;
    let again = home.start(&fake, &["--exit-when-idle"]);
    let (code, log) = again.end().await;
    assert_eq!(code, 0, "{log}");
    let kept = home.find("work/kept/a.1/work/left");
    assert_eq!(fs::read_to_string(&kept[0]).unwrap(), "half\n");
}

#[tokio::test]
async fn bad_flags_are_usage_errors() {
    let (fake, home) = (Fake::reserve().await, Home::new());
    for flags in [
        ["--slots", "0"],
        ["--claim-wait", "5m"],
        ["--name", "a/b"],
        ["--label", "x"],
        ["--max-tasks", "0"],
    ] {
        let (code, log) = home.start(&fake, &flags).end().await;
        assert_eq!(code, 2, "{flags:?}: {log}");
    }
}
