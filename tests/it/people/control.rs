//! Ending what runs: timeouts and cancels reach everything that a task started.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use swarm_proto::v1::TaskState;

use crate::harness::{
    PATIENCE,
    agent::RealAgent,
    client::{duration, quoted, shell_task, with},
    coordinator::Coordinator,
    process::is_running,
    wait_for, wait_until,
};

/// A cancel travels at once; most of this is for a busy machine.
const QUICKLY: Duration = Duration::from_secs(5);

/// A line that starts a child and a grandchild, writes down all three processes and never ends.
fn family(pids: &Path) -> String {
    let partial = pids.with_extension("partial");
    format!(
        "sleep 600 & one=$!; sh -c 'sleep 600 & echo $!; wait' > {0} & two=$!; \
         while ! grep -q . {0}; do sleep 0.01; done; echo $$ $one $two >> {0}; mv {0} {1}; wait",
        quoted(&partial),
        quoted(pids)
    )
}

fn read_pids(path: &Path) -> Vec<i32> {
    let text = wait_for("the task has written down its processes", PATIENCE, || {
        fs::read_to_string(path).ok()
    });
    let pids: Vec<i32> = text.split_whitespace().map(|pid| pid.parse().unwrap()).collect();
    assert_eq!(pids.len(), 4, "{text}");
    pids
}

#[test]
fn cancelling_a_running_task_ends_its_process_tree_quickly() {
    let coordinator = Coordinator::start();
    let _agent = RealAgent::start(&coordinator, "a", &["--slots", "1"]);
    let client = coordinator.client();
    let pids = coordinator.dir().join("pids");
    client.submit(vec![shell_task("long", &family(&pids))]);
    let pids = read_pids(&pids);
    assert!(pids.iter().all(|&pid| is_running(pid)));

    let asked = Instant::now();
    coordinator.swarmctl(&["cancel", "long"]).expect(0);
    client.wait_for_state("long", TaskState::Cancelled);
    wait_until("its processes are gone", || {
        !pids.iter().any(|&pid| is_running(pid))
    });

    assert!(asked.elapsed() < QUICKLY, "it took {:?}", asked.elapsed());
    coordinator.swarmctl(&["wait", "long"]).expect(1);
}

#[test]
fn a_task_past_its_timeout_is_ended_with_everything_it_started() {
    let coordinator = Coordinator::start();
    let _agent = RealAgent::start(&coordinator, "a", &["--slots", "1"]);
    let client = coordinator.client();
    let pids = coordinator.dir().join("pids");
    client.submit(vec![with(shell_task("long", &family(&pids)), |spec| {
        spec.timeout = Some(duration(Duration::from_secs(2)));
        spec.retry = Some(swarm_proto::v1::Retry {
            max_retries: Some(0),
            ..Default::default()
        });
    })]);
    let pids = read_pids(&pids);

    let task = client.wait_for_state("long", TaskState::Failed);

    assert_eq!(task.attempts[0].failure_reason, "timeout");
    wait_until("its processes are gone", || {
        !pids.iter().any(|&pid| is_running(pid))
    });
}

#[test]
fn a_task_that_says_nothing_has_the_timeout_and_the_retries_of_its_coordinator() {
    let coordinator = Coordinator::with(&["--default-timeout", "300ms", "--default-retries", "1"]);
    let _agent = RealAgent::start(&coordinator, "a", &["--slots", "1"]);
    let client = coordinator.client();
    client.submit(vec![with(shell_task("long", "exec sleep 600"), |spec| {
        spec.retry = Some(swarm_proto::v1::Retry {
            initial_backoff: Some(duration(Duration::from_millis(10))),
            ..Default::default()
        });
    })]);
    let task = client.wait_for_state("long", TaskState::Failed);
    let reasons: Vec<&str> = task
        .attempts
        .iter()
        .map(|attempt| attempt.failure_reason.as_str())
        .collect();
    assert_eq!(reasons, ["timeout", "timeout"]);
}

#[test]
fn a_cancelled_task_that_has_not_started_never_runs() {
    let coordinator = Coordinator::start();
    let client = coordinator.client();
    client.submit(vec![shell_task("never", "true"), shell_task("other", "true")]);
    client.cancel("never");
    client.cancel("never");

    let mut agent = RealAgent::start(&coordinator, "a", &["--slots", "1", "--exit-when-idle"]);
    assert_eq!(agent.program().wait(PATIENCE), 0);

    assert_eq!(client.task("never").attempt_count, 0);
    assert_eq!(client.task("never").state(), TaskState::Cancelled);
    assert_eq!(client.task("other").state(), TaskState::Succeeded);
}
