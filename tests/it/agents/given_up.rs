//! A person says that a machine is gone: its leases end at once, cost nothing, and it may not go on with them.

use swarm_proto::v1::{Directive, LeaseRef, TaskState};

use crate::harness::{client::shell_task, coordinator::Coordinator, fake_agent::FakeAgent};

fn leases(agent: &mut FakeAgent, most: u32) -> Vec<LeaseRef> {
    let claimed = agent.claim_now(most).assignments;
    claimed.into_iter().map(|one| one.lease.unwrap()).collect()
}

#[test]
fn a_released_task_is_given_to_another_agent_at_once() {
    let coordinator = Coordinator::start();
    let client = coordinator.client();
    let mut gone = FakeAgent::register(&coordinator, "gone");
    let mut other = FakeAgent::register(&coordinator, "other");
    client.submit(vec![shell_task("t", "true")]);
    let old = leases(&mut gone, 1).remove(0);

    let told = coordinator.swarmctl(&["lease", "release", "t"]).expect(0).stdout;
    for shown in ["○ queued", "attempt 1 on agent gone"] {
        assert!(told.contains(shown), "{told}");
    }
    // The command again, as it was printed, leaves the next attempt alone; so it does when nobody has the task.
    let again = ["lease", "release", "t", "--attempt", "1"];
    for words in [&again[..3], &again] {
        let told = coordinator.swarmctl(words).expect(0).stdout;
        assert!(told.contains("attempt 1 on agent gone"), "{told}");
    }
    let new = leases(&mut other, 1).remove(0);
    let told = coordinator.swarmctl(&again).expect(0).stdout;
    assert!(
        told.contains("attempt 1 on agent gone") && told.contains("running"),
        "{told}"
    );
    client.submit(vec![shell_task("later", "true")]);
    coordinator.swarmctl(&["lease", "release", "later"]).expect_error(
        3,
        &["nobody was given it yet"],
        &["explain later"],
    );
    assert_eq!((new.task_id.as_str(), new.attempt), ("t", 2));

    // The old agent is told, and may neither go on nor report.
    let orders = gone.heartbeat(vec![old.clone()]).unwrap().directives;
    assert_eq!(orders[0].directive(), Directive::Lost);
    assert!(!gone.succeed(&old, "").accepted);
    assert!(other.succeed(&new, "").accepted);
    let task = client.task("t");
    let tries = task.tries.unwrap();
    assert_eq!((tries.failures, tries.losses, tries.undelivered), (0, 0, 0));
    assert_eq!(task.attempts[0].message, "somebody gave its agent up");

    coordinator.swarmctl(&["lease", "release", "t"]).expect_error(
        3,
        &["nobody has a lease of task t: it is succeeded"],
        &["explain ID"],
    );
}

#[test]
fn a_forgotten_agent_loses_what_it_holds_and_comes_back_by_registering() {
    let coordinator = Coordinator::start();
    let client = coordinator.client();
    let mut gone = FakeAgent::register(&coordinator, "gone");
    client.submit(["a", "b"].map(|id| shell_task(id, "true")).into());
    let old = leases(&mut gone, 2);
    assert_eq!(old.len(), 2);

    let told = coordinator
        .swarmctl(&["agent", "forget", "gone"])
        .expect(0)
        .stdout;
    for shown in ["○ gone until it registers again", "2 leases"] {
        assert!(told.contains(shown), "{told}");
    }
    for id in ["a", "b"] {
        assert_eq!(client.task(id).state(), TaskState::Queued);
    }
    let listed = |words: &[&str]| coordinator.swarmctl(words).expect(0).stdout;
    assert!(!listed(&["agent", "list"]).contains("gone"));
    assert!(listed(&["agent", "list", "--all"]).contains("○ gone"));
    assert!(listed(&["events", "--from", "0", "--agent", "gone"]).contains("agent gone was forgotten, by "));
    assert!(gone.heartbeat(old.clone()).is_err());

    gone.register_again(|request| request.held = old.clone()).unwrap();
    let orders = gone.heartbeat(old).unwrap().directives;
    assert!(
        orders.iter().all(|order| order.directive() == Directive::Lost),
        "{orders:?}"
    );
    let shown = coordinator
        .swarmctl(&["agent", "show", "gone", "-o", "json"])
        .expect(0)
        .json();
    assert_eq!(shown["state"], "online", "{shown:#}");
}
