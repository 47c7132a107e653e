//! An agent dies without a goodbye: its guard says so at once, and its tasks go to others long before its leases end.

use std::{fs, time::Instant};

use nix::sys::signal::Signal;
use swarm_proto::v1::TaskState;

use crate::harness::{
    agent::RealAgent,
    client::{quoted, shell_task},
    coordinator::Coordinator,
    fake_agent::FakeAgent,
    process::carriers,
    wait_until,
};

#[test]
fn what_a_killed_agent_ran_is_given_to_another_at_once_and_runs_nowhere_else() {
    // A lease lasts for 90 seconds.
    let coordinator = Coordinator::start();
    let client = coordinator.client();
    let mut first = RealAgent::start(&coordinator, "first", &["--slots", "1"]);
    let mark = coordinator.dir().join("mark");
    let line = format!(
        "if [ -e {mark} ]; then exit 0; fi; setsid sleep 600 > /dev/null 2>&1 & echo $SWARM_MARK > {mark}.new; mv \
         {mark}.new {mark}; sleep 600",
        mark = quoted(&mark)
    );
    client.submit(vec![shell_task("t", &line)]);
    wait_until("it runs", || mark.exists());
    let mark = fs::read_to_string(mark).unwrap().trim().to_owned();
    assert!(carriers(&mark).len() >= 2);

    let killed = Instant::now();
    first.program().signal(Signal::SIGKILL);
    wait_until("the loss is told", || {
        client.all_events().iter().any(|event| event.kind == "agent_lost")
    });
    assert!(carriers(&mark).is_empty(), "it was told before the end");
    let listed = coordinator.swarmctl(&["agent", "list"]).expect(0).stdout;
    assert!(listed.contains("lost"), "{listed}");

    let _second = RealAgent::start(&coordinator, "second", &["--slots", "1"]);
    let task = client.wait_for_state("t", TaskState::Succeeded);
    assert!(killed.elapsed().as_secs() < 60, "the lease was waited for");
    assert_eq!(
        (task.attempts.len(), task.attempts[0].message.as_str()),
        (2, "its agent died")
    );
    assert_eq!(task.tries.unwrap().losses, 1);
    let told = coordinator.swarmctl(&["events", "--from", "0"]).expect(0).stdout;
    assert!(told.contains("is lost: its process died"), "{told}");

    // The next process of that agent is not the dead one.
    first.start_again();
    wait_until("it is back", || client.status().agents.unwrap().online == 2);
}

#[test]
fn an_agent_that_leaves_is_not_lost() {
    let coordinator = Coordinator::start();
    let client = coordinator.client();
    let mut agent = RealAgent::start(&coordinator, "a", &["--slots", "1"]);
    // The coordinator knows of it before it knows of its session.
    wait_until("it works", || agent.program().log().contains("works for"));
    agent.program().signal(Signal::SIGTERM);
    wait_until("it has left", || agent.program().ended().is_some());
    let events = client.all_events();
    assert!(events.iter().any(|event| event.kind == "agent_deregistered"));
    assert!(
        !events.iter().any(|event| event.kind == "agent_lost"),
        "{events:?}"
    );
}

#[test]
fn an_agent_that_falls_silent_is_marked_before_it_is_lost() {
    // It is silent after half of that, and what is asked below takes far less than the other half.
    let coordinator = Coordinator::with(&["--lease-ttl", "60s"]);
    let client = coordinator.client();
    client.submit(vec![shell_task("t", "true")]);
    let mut agent = FakeAgent::register(&coordinator, "quiet");
    assert_eq!(agent.claim_now(1).assignments.len(), 1);
    wait_until("it is silent", || client.status().agents.unwrap().silent == 1);
    let told = |words: &[&str]| coordinator.swarmctl(words);
    assert!(
        told(&["agent", "list", "-o", "wide"])
            .stdout
            .contains("its tasks go to others in")
    );
    assert!(told(&["status"]).stdout.contains("quiet has been silent for"));
    assert!(
        told(&["explain", "t"])
            .stdout
            .contains("and the task is given to others in")
    );
    assert!(
        told(&["inspect", "t"])
            .stdout
            .contains("the agent has been silent for")
    );
    let doctor = told(&["doctor"]).stdout;
    assert!(
        doctor.contains("agents silent") && doctor.contains("1 online"),
        "{doctor}"
    );
}
