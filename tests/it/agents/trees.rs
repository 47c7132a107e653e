//! Nothing of an attempt stays alive, whatever it forked: with the real coordinator and the real agent.

use std::{fs, path::Path, time::Duration};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use swarm_proto::v1::TaskState;

use crate::harness::{
    agent::RealAgent,
    client::{Client, duration, quoted, shell_task, with},
    coordinator::Coordinator,
    process::{carriers, guards_of},
    wait_until,
};

/// The task itself, a child in a session of its own, an orphan of a double fork in another, and a plain child.
const PROCESSES: usize = 4;

/// Starts processes that no group and no session holds together and that ignore TERM, and goes on.
fn scatter(dir: &Path) -> String {
    let stay = |name: &str| {
        let up = quoted(&dir.join(name));
        format!("trap \"\" TERM HUP; : > {up}; while :; do sleep 600; done")
    };
    fs::write(dir.join("child.sh"), stay("child.up")).unwrap();
    fs::write(dir.join("leader.sh"), stay("leader.up")).unwrap();
    fs::write(dir.join("orphan.sh"), stay("orphan.up")).unwrap();
    format!(
        "cd {}
        sh child.sh &
        setsid sh leader.sh < /dev/null > /dev/null 2>&1 &
        ( ( setsid sh orphan.sh < /dev/null > /dev/null 2>&1 & ) & )
        until [ -e child.up ] && [ -e leader.up ] && [ -e orphan.up ]; do sleep 0.02; done
        echo $SWARM_MARK > mark.new; mv mark.new mark
        while :; do sleep 600; done",
        quoted(dir)
    )
}

/// A coordinator and an agent whose only attempt has scattered its processes.
struct Scattered {
    agent: RealAgent,
    _coordinator: Coordinator,
    client: Client,
    mark: String,
}

fn scattered(timeout: Option<Duration>) -> Scattered {
    let coordinator = Coordinator::start();
    let client = coordinator.client();
    let agent = RealAgent::start(&coordinator, "a", &["--slots", "1"]);
    let task = with(shell_task("forks", &scatter(coordinator.dir())), |spec| {
        spec.timeout = timeout.map(duration);
        // One attempt is looked at, not its repetitions.
        spec.retry.get_or_insert_default().max_retries = Some(0);
    });
    client.submit(vec![task]);
    let file = coordinator.dir().join("mark");
    wait_until("the attempt has started its processes", || file.exists());
    let mark = fs::read_to_string(file).unwrap().trim().to_owned();
    assert_eq!(mark.len(), 26, "{mark}");
    if timeout.is_none() {
        let found = carriers(&mark);
        assert!(found.len() >= PROCESSES, "{found:?}");
    }
    Scattered {
        agent,
        _coordinator: coordinator,
        client,
        mark,
    }
}

#[track_caller]
fn assert_nothing_left(mark: &str) {
    let left = carriers(mark);
    assert!(left.is_empty(), "the report came before the end of {left:?}");
}

#[track_caller]
fn until_gone(mark: &str) {
    wait_until("everything with the mark is gone", || carriers(mark).is_empty());
}

#[test]
fn a_cancelled_task_leaves_no_process_whatever_it_forked() {
    let Scattered { client, mark, .. } = &scattered(None);
    client.cancel("forks");
    client.wait_for_state("forks", TaskState::Cancelled);
    assert_nothing_left(mark);
}

#[test]
fn a_task_that_took_too_long_leaves_no_process_whatever_it_forked() {
    let Scattered { client, mark, .. } = &scattered(Some(Duration::from_secs(2)));
    let task = client.wait_for_state("forks", TaskState::Failed);
    assert_eq!(task.attempts[0].failure_reason, "timeout");
    assert_nothing_left(mark);
}

#[test]
fn a_killed_agent_leaves_no_process_of_its_task_whatever_that_forked() {
    let Scattered { agent, mark, .. } = &mut scattered(None);
    agent.program().kill();
    until_gone(mark);
    let state = agent.state_dir();
    wait_until("the guard has ended", || guards_of(&state).is_empty());
}

#[test]
fn an_agent_that_was_killed_with_its_guard_ends_at_its_next_start_what_its_task_forked() {
    let Scattered {
        agent,
        _coordinator,
        client,
        mark,
    } = &mut scattered(None);
    let guards = guards_of(&agent.state_dir());
    assert_eq!(guards.len(), 1, "{guards:?}");
    // Stopped first, so that neither sees the other's end.
    agent.program().signal(Signal::SIGSTOP);
    kill(Pid::from_raw(guards[0]), Signal::SIGKILL).unwrap();
    agent.program().kill();
    assert!(carriers(mark).len() >= PROCESSES, "somebody else has ended them");

    // A second attempt must not be taken for what is left of the first.
    client.cancel("forks");
    agent.start_again();
    until_gone(mark);
    client.wait_for_state("forks", TaskState::Cancelled);
}
