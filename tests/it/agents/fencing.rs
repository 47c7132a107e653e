//! An attempt belongs to one agent at a time: who comes too late keeps the result, and changes nothing.

use std::{fs, time::Duration};

use nix::sys::signal::Signal;
use swarm_proto::v1::{Directive, TaskState};

use crate::harness::{
    agent::RealAgent,
    client::{quoted, reason, shell_task},
    coordinator::Coordinator,
    fake_agent::FakeAgent,
    wait_until,
};

/// Short enough for a test, long enough that a busy machine renews in time.
const SHORT_TTL: &[&str] = &["--lease-ttl", "2s"];

#[test]
fn a_task_of_a_stopped_agent_is_done_elsewhere_and_the_late_report_is_refused() {
    let coordinator = Coordinator::with(SHORT_TTL);
    let client = coordinator.client();
    let mut stopped = RealAgent::start(&coordinator, "stopped", &["--slots", "1"]);
    let (started, gate) = (coordinator.dir().join("started"), coordinator.dir().join("gate"));
    let line = format!(
        "echo x >> {}; while ! test -e {}; do sleep 0.02; done; echo done by attempt $SWARM_ATTEMPT",
        quoted(&started),
        quoted(&gate)
    );
    client.submit(vec![shell_task("fenced", &line)]);
    wait_until("the command runs", || started.exists());

    stopped.program().signal(Signal::SIGSTOP);
    client.wait_for_event("fenced", "lease_expired");
    let _other = RealAgent::start(&coordinator, "other", &["--slots", "1"]);
    wait_until("the other agent runs it", || {
        fs::read_to_string(&started).unwrap().lines().count() == 2
    });
    // Both commands end now; the first one's agent does not know it yet.
    fs::write(gate, "").unwrap();
    client.wait_for_state("fenced", TaskState::Succeeded);

    stopped.program().signal(Signal::SIGCONT);
    // The log says where, when all of it is there.
    wait_until("the late result is set aside", || {
        let kept = stopped.refused_results();
        kept.first()
            .is_some_and(|kept| stopped.program().log().contains(kept.to_str().unwrap()))
    });

    let kept = stopped.refused_results().remove(0);
    assert_eq!(kept.file_name().unwrap(), "fenced.1");
    assert_eq!(
        fs::read_to_string(kept.join("stdout")).unwrap(),
        "done by attempt 1\n"
    );
    // It hears of it by the answer to its report, or by a heartbeat before it has sent one.
    let log = stopped.program().log();
    let says_why = log.contains("LEASE_LOST") || log.contains("the lease was lost while it ran");
    assert!(says_why, "the log does not say why:\n{log}");
    let task = client.task("fenced");
    assert_eq!((task.state(), task.attempt_count), (TaskState::Succeeded, 2));
    assert_eq!(
        task.result.unwrap().output.unwrap().stdout,
        b"done by attempt 2\n"
    );
}

#[test]
fn a_late_report_is_refused_with_lease_lost_and_a_repeated_one_is_confirmed() {
    let coordinator = Coordinator::with(SHORT_TTL);
    let client = coordinator.client();
    client.submit(vec![shell_task("fenced", "true")]);
    let mut first = FakeAgent::register(&coordinator, "first");
    let lost = first.claim(Duration::ZERO).unwrap().unwrap().lease.unwrap();
    first.heartbeat(vec![lost.clone()]).unwrap();
    client.wait_for_event("fenced", "lease_expired");

    let mut second = FakeAgent::register(&coordinator, "second");
    let held = second
        .claim(Duration::from_secs(30))
        .unwrap()
        .unwrap()
        .lease
        .unwrap();
    assert_eq!((lost.attempt, held.attempt), (1, 2));

    let refused = first.succeed(&lost, "late");
    assert_eq!(refused.refusal.unwrap().reason, "LEASE_LOST");
    let directive = first.heartbeat(vec![lost]).unwrap().directives.remove(0);
    assert_eq!(directive.directive(), Directive::Lost);
    let mut forged = held.clone();
    forged.lease_token = vec![0; 16];
    assert_eq!(
        second.succeed(&forged, "forged").refusal.unwrap().reason,
        "LEASE_LOST"
    );
    assert_eq!(client.task("fenced").state(), TaskState::Running);

    assert!(second.succeed(&held, "in time").accepted);
    assert!(second.succeed(&held, "in time").already_completed);
    let stdout = client.task("fenced").result.unwrap().output.unwrap().stdout;
    assert_eq!(stdout, b"in time");
}

#[test]
fn a_late_success_of_a_task_that_nobody_else_has_begun_is_taken() {
    let coordinator = Coordinator::with(SHORT_TTL);
    let client = coordinator.client();
    client.submit(vec![shell_task("late", "true")]);
    let mut agent = FakeAgent::register(&coordinator, "agent");
    let lease = agent.claim(Duration::ZERO).unwrap().unwrap().lease.unwrap();
    agent.heartbeat(vec![lease.clone()]).unwrap();
    client.wait_for_event("late", "lease_expired");

    assert!(agent.succeed(&lease, "late, but welcome").accepted);

    let task = client.task("late");
    assert_eq!(
        (task.state(), task.attempt_count, task.tries.unwrap().losses),
        (TaskState::Succeeded, 1, 0)
    );
}

#[test]
fn of_two_copies_of_one_agent_only_the_newer_can_work() {
    let coordinator = Coordinator::start();
    let client = coordinator.client();
    client.submit(vec![shell_task("a", "true"), shell_task("b", "true")]);
    let mut older = FakeAgent::register(&coordinator, "twin");
    let lost = older.claim(Duration::ZERO).unwrap().unwrap().lease.unwrap();
    let mut newer = FakeAgent::register(&coordinator, "twin");

    assert_eq!(reason(older.claim(Duration::ZERO)).as_str(), "AGENT_REPLACED");
    assert_eq!(reason(older.heartbeat(vec![lost])).as_str(), "AGENT_REPLACED");
    // A lease that the older one held and the newer one did not list is free at once.
    let again = newer.claim(Duration::ZERO).unwrap().unwrap().lease.unwrap();
    assert_eq!((again.task_id.as_str(), again.attempt), ("a", 2));
}

#[test]
fn a_lease_outlives_a_restart_of_the_coordinator_and_its_agent_reports_to_the_next() {
    let mut coordinator = Coordinator::start();
    coordinator.client().submit(vec![shell_task("kept", "true")]);
    let mut agent = FakeAgent::register(&coordinator, "agent");
    let lease = agent.claim(Duration::ZERO).unwrap().unwrap().lease.unwrap();
    coordinator.kill();
    coordinator.start_again();

    let agent = FakeAgent::register_holding(&coordinator, "agent", vec![lease.clone()]);
    assert!(agent.succeed(&lease, "after the restart").accepted);
    assert_eq!(agent.client().task("kept").attempt_count, 1);
}
