//! Copies of one agent's state directory: the first one that works goes on, and nobody loses a lease.

use std::{
    fs,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;
use swarm_proto::v1::{AgentProcess, TaskState};

use crate::harness::{
    agent::RealAgent,
    client::{quoted, reason, shell_task},
    coordinator::Coordinator,
    fake_agent::FakeAgent,
    wait_until,
};

/// For an end that includes a task's.
const SECONDS: Duration = Duration::from_secs(15);
/// A copy of an agent that is at work elsewhere.
const ELSEWHERE: i32 = 10;
const TTL: [&str; 2] = ["--lease-ttl", "2s"];

#[test]
fn a_copy_in_a_restart_loop_leaves_the_first_one_at_work_and_says_why_it_ends() {
    let coordinator = Coordinator::with(&TTL);
    let client = coordinator.client();
    let dir = coordinator.dir().to_owned();
    let mut first = RealAgent::start(&coordinator, "a", &["--slots", "1"]);
    let line = format!(
        "echo $SWARM_ATTEMPT >> {0}; until test -e {1}; do sleep 0.02; done",
        quoted(&dir.join("begun")),
        quoted(&dir.join("gate"))
    );
    client.submit(vec![shell_task("shared", &line)]);
    wait_until("the first one runs it", || dir.join("begun").exists());

    let mut copies = [first.start_copy(&coordinator), first.start_copy(&coordinator)];
    for _ in 0..2 {
        for copy in &mut copies {
            assert_eq!(copy.program().wait(SECONDS), ELSEWHERE);
            let log = copy.program().log();
            assert!(
                log.contains("is at work on"),
                "it does not say where the first one is:\n{log}"
            );
            assert!(log.contains("help: "), "it does not say what to do:\n{log}");
        }
        copies.iter_mut().for_each(RealAgent::start_again);
    }
    assert_eq!(first.program().ended(), None);

    // Whoever asks why the other machine does nothing is told.
    client.submit(vec![shell_task("waits", "true")]);
    for words in [&["agent", "list"][..], &["status"]] {
        let told = coordinator.swarmctl(words).expect(0).stdout;
        assert!(told.contains("⧉ copied"), "{told}");
    }
    let told = coordinator.swarmctl(&["explain", "waits"]).expect(0).stdout;
    let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        told.contains("was refused, and needs a state directory of its own"),
        "{told}"
    );
    assert_eq!(client.status().agents.unwrap().copied, 1);

    fs::write(dir.join("gate"), "").unwrap();
    let task = client.wait_for_state("shared", TaskState::Succeeded);
    assert_eq!((task.attempt_count, task.tries.unwrap().losses), (1, 0));

    let agents = coordinator.swarmctl(&["agent", "list", "-o", "json"]);
    assert!(agents.stdout.contains("twin_host"), "{}", agents.stdout);
    let events = coordinator.swarmctl(&["events"]);
    let refusals = events
        .stdout
        .matches("was refused: the agent is at work elsewhere")
        .count();
    assert!((1..=10).contains(&refusals), "{}", events.stdout);
}

#[test]
fn a_copy_takes_over_when_the_first_one_says_goodbye_or_stays_silent() {
    let coordinator = Coordinator::with(&TTL);
    let client = coordinator.client();
    let mut first = RealAgent::start(&coordinator, "a", &[]);
    client.submit(vec![shell_task("one", "true")]);
    client.wait_for_state("one", TaskState::Succeeded);

    let mut second = first.start_copy(&coordinator);
    wait_until("the second one waits", || {
        second.program().log().contains("waiting that long")
    });
    first.program().signal(Signal::SIGTERM);
    assert_eq!(first.program().wait(SECONDS), 0);
    client.submit(vec![shell_task("two", "true")]);
    client.wait_for_state("two", TaskState::Succeeded);

    // Killed, it says nothing; the one that waits is told how long.
    first.start_again();
    wait_until("the first one waits", || {
        first.program().log().contains("waiting that long")
    });
    second.program().kill();
    client.submit(vec![shell_task("three", "true")]);
    client.wait_for_state("three", TaskState::Succeeded);
    assert_eq!(first.program().ended(), None);
}

#[test]
fn an_agent_that_was_killed_is_at_work_again_at_once() {
    // A TTL that no test waits for.
    let coordinator = Coordinator::with(&["--lease-ttl", "10m"]);
    let client = coordinator.client();
    let mut agent = RealAgent::start(&coordinator, "a", &[]);
    client.submit(vec![shell_task("one", "true")]);
    client.wait_for_state("one", TaskState::Succeeded);
    let begun = Instant::now();
    agent.program().kill();
    agent.start_again();
    client.submit(vec![shell_task("two", "true")]);
    client.wait_for_state("two", TaskState::Succeeded);
    assert!(begun.elapsed() < SECONDS);
}

#[test]
fn after_a_restart_of_the_coordinator_the_silence_of_an_agent_begins_anew() {
    let mut coordinator = Coordinator::with(&["--lease-ttl", "10m"]);
    let at = |place: &str| {
        let place = place.to_owned();
        move |request: &mut swarm_proto::v1::RegisterAgentRequest| {
            request.process = Some(AgentProcess {
                host: format!("host of {place}"),
                place,
            });
        }
    };
    FakeAgent::register_with(&coordinator, "a", at("one")).unwrap();
    coordinator.kill();
    coordinator.start_again();
    let refused = FakeAgent::register_with(&coordinator, "a", at("two"))
        .err()
        .unwrap();
    assert!(
        refused.message().contains("host of one") && refused.message().contains("host of two"),
        "{refused:?}"
    );
    assert_eq!(reason(Err::<(), _>(refused)).as_str(), "AGENT_ELSEWHERE");
    // Where the first one ran, its lock proves that it has ended; and who says nothing is believed, as ever.
    FakeAgent::register_with(&coordinator, "a", at("one")).unwrap();
    FakeAgent::register_with(&coordinator, "a", |_| {}).unwrap();
    FakeAgent::register_with(&coordinator, "a", at("two")).unwrap();
}
