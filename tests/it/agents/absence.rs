//! The coordinator is away for much longer than a lease lasts: what runs goes on, and is run once.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;
use swarm_proto::v1::TaskState;

use crate::harness::{
    agent::RealAgent,
    client::{count_by_task, quoted, shell_task},
    coordinator::Coordinator,
    wait_until,
};

const LEASE_TTL: &str = "2s";
/// More than three times the time after which a lease expires.
const ABSENCE: Duration = Duration::from_secs(7);
const TASKS: [&str; 4] = ["early-1", "early-2", "late-1", "late-2"];

/// A task that says it has begun, waits for the gate of its kind, and says that it has ended.
fn gated(dir: &Path, id: &str) -> String {
    let (kind, _) = id.split_once('-').unwrap();
    format!(
        "echo {id} >> {}; until test -e {}; do sleep 0.05; done; echo {id} >> {}",
        quoted(&dir.join("begun")),
        quoted(&dir.join(kind)),
        quoted(&dir.join("ended")),
    )
}

fn lines(file: &Path) -> usize {
    fs::read_to_string(file).map_or(0, |text| text.lines().count())
}

/// Keeps the coordinator away by one of two ways while some tasks end and others go on.
fn survives(leave: impl FnOnce(&mut Coordinator), come_back: impl FnOnce(&mut Coordinator)) {
    let mut coordinator = Coordinator::with(&["--lease-ttl", LEASE_TTL]);
    let mut agent = RealAgent::start(&coordinator, "a", &["--slots", "4"]);
    let dir = coordinator.dir().to_owned();
    let client = coordinator.client();
    client.submit(TASKS.map(|id| shell_task(id, &gated(&dir, id))).into());
    wait_until("all run", || lines(&dir.join("begun")) == TASKS.len());

    leave(&mut coordinator);
    let left = Instant::now();
    fs::write(dir.join("early"), "").unwrap();
    wait_until("some have ended meanwhile", || lines(&dir.join("ended")) == 2);
    wait_until("the absence has lasted", || left.elapsed() >= ABSENCE);
    come_back(&mut coordinator);

    let client = coordinator.client();
    for id in ["early-1", "early-2"] {
        client.wait_for_state(id, TaskState::Succeeded);
    }
    assert_eq!(client.task("late-1").state(), TaskState::Running);
    fs::write(dir.join("late"), "").unwrap();
    for id in TASKS {
        assert_eq!(client.wait_for_state(id, TaskState::Succeeded).attempt_count, 1);
    }
    assert_eq!(lines(&dir.join("begun")), TASKS.len(), "something was run again");
    let events = client.all_events();
    assert_eq!(
        count_by_task(&events, "lease_expired").len(),
        0,
        "a lease was lost"
    );
    assert_eq!(agent.program().ended(), None);
}

#[test]
fn a_coordinator_that_was_dead_for_long_finds_everything_done_and_running_as_before() {
    survives(Coordinator::kill, Coordinator::start_again);
}

#[test]
fn a_coordinator_that_was_stopped_for_long_takes_no_lease_away() {
    survives(
        |coordinator| coordinator.program().signal(Signal::SIGSTOP),
        |coordinator| coordinator.program().signal(Signal::SIGCONT),
    );
}
