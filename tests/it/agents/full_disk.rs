//! An agent whose disk is full fails its tasks by the machine's fault, makes room, and goes on.

use std::time::Duration;

use nix::sys::signal::Signal;
use swarm_proto::v1::{AttemptOutcome, Blame, NewTask, Retry, TaskState};

use crate::harness::{
    agent::{RealAgent, Surroundings},
    client::{Client, quoted, shell_task, with},
    coordinator::Coordinator,
    wait_for,
};

const SECONDS: Duration = Duration::from_secs(15);
/// The machine's fault slows it for ten seconds, on a busy machine for more.
const SLOWED: Duration = Duration::from_secs(60);

fn without_retries(task: NewTask) -> NewTask {
    with(task, |spec| {
        spec.retry = Some(Retry {
            max_retries: Some(0),
            ..Retry::default()
        });
    })
}

/// Waits for a task; what it printed.
fn printed(coordinator: &Coordinator, client: &Client, id: &str) -> String {
    let task = wait_for(&format!("{id} has ended"), SLOWED, || {
        let task = client.task(id);
        (task.state() == TaskState::Succeeded).then_some(task)
    });
    assert_eq!(task.attempt_count, 1, "{id}");
    coordinator.swarmctl(&["logs", id]).expect(0).stdout
}

#[test]
fn tasks_on_a_full_disk_use_up_nothing_and_what_fills_it_goes() {
    let coordinator = Coordinator::start();
    let client = coordinator.client();
    let mut agent = RealAgent::start(&coordinator, "small", &["--slots", "1"]);
    wait_for("it is at work", SECONDS, || {
        (client.status().slots == 1).then_some(())
    });
    agent.program().signal(Signal::SIGTERM);
    assert_eq!(agent.program().wait(SECONDS), 0);
    let disk = format!(
        "mount -t tmpfs -o size=8m swarm-test {}",
        quoted(&agent.state_dir())
    );
    if !agent.start_again_in(&Surroundings::Mounts(disk)) {
        return;
    }

    client.submit(vec![without_retries(shell_task(
        "full",
        "cat /dev/zero > big; exit 1",
    ))]);
    let failed = wait_for("its attempt has failed", SECONDS, || {
        let task = client.task("full");
        let first = task.attempts.first()?;
        // For ten seconds its agent is given nothing.
        let is_slowed = client.status().agents.unwrap_or_default().slowed == 1;
        (is_slowed && first.outcome() == AttemptOutcome::Failed).then_some(task)
    });
    let failure = failed.attempts[0].clone();
    assert_eq!(
        (failure.failure_reason.as_str(), failure.blame()),
        ("exhausted", Blame::Machine),
        "{failure:?}"
    );
    assert_eq!(failed.tries.unwrap_or_default().failures, 0);
    assert_ne!(failed.state(), TaskState::Failed);
    // It would fill the disk again.
    client.cancel("full");
    client.wait_for_state("full", TaskState::Cancelled);

    client.submit(vec![
        without_retries(shell_task("prints", "head -c 60000 /dev/zero | tr '\\0' x")),
        without_retries(shell_task("any", "test ! -e ../../kept/full.1 && echo done")),
    ]);
    assert_eq!(printed(&coordinator, &client, "prints").len(), 60_000);
    assert_eq!(printed(&coordinator, &client, "any"), "done\n");
    assert_eq!(client.status().agents.unwrap_or_default().slowed, 0);
}
