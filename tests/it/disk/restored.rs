//! What ran when a backup was taken runs again as soon as the backup is served.

use std::fs;

use swarm_proto::v1::TaskState;

use crate::harness::{
    agent::RealAgent,
    client::shell_task,
    coordinator::Coordinator,
    program::{command, run},
    wait_until,
};

const SLOTS: usize = 2;

#[test]
fn an_agent_is_shown_with_what_it_holds_and_the_rest_runs_again_at_once() {
    let mut coordinator = Coordinator::start();
    let _agent = RealAgent::start(&coordinator, "a", &["--slots", &SLOTS.to_string()]);
    let gate = |name: &str| coordinator.dir().join(name);
    let behind = |name: &str| format!("until [ -e '{}' ]; do sleep 0.05; done", gate(name).display());
    let (first, second) = (behind("first"), behind("second"));
    let open = [gate("first"), gate("second")];
    let verb = |words: &[&std::ffi::OsStr], coordinator: &Coordinator| {
        let mut verb = command("coordinator", coordinator.dir());
        verb.args(words).arg("--data-dir").arg(coordinator.data_dir());
        run(verb).expect(0)
    };

    let client = coordinator.client();
    client.submit(vec![shell_task("early-1", &first), shell_task("early-2", &first)]);
    wait_until("both run", || {
        ["early-1", "early-2"]
            .iter()
            .all(|id| client.task(id).state() == TaskState::Running)
    });
    let backup = coordinator.dir().join("backup");
    verb(&["backup".as_ref(), backup.as_os_str()], &coordinator);
    fs::write(&open[0], "").unwrap();
    for id in ["early-1", "early-2"] {
        client.wait_for_state(id, TaskState::Succeeded);
    }

    coordinator.kill();
    fs::rename(coordinator.data_dir(), coordinator.dir().join("lost")).unwrap();
    verb(&["restore".as_ref(), backup.as_os_str()], &coordinator);
    coordinator.start_again();
    let client = coordinator.client();
    client.submit(vec![shell_task("late-1", &second), shell_task("late-2", &second)]);
    // Long before their old leases would have ended.
    for id in ["early-1", "early-2"] {
        client.wait_for_state(id, TaskState::Succeeded);
    }
    // A slot is free for the next task a moment before the report of the last one is there.
    wait_until("as many leases are left as there are slots", || {
        let agents = coordinator
            .swarmctl(&["agent", "list", "-o", "json"])
            .expect(0)
            .json();
        agents["agents"][0]["leases"].as_array().map_or(0, Vec::len) == SLOTS
    });
    fs::write(&open[1], "").unwrap();
    for id in ["late-1", "late-2"] {
        client.wait_for_state(id, TaskState::Succeeded);
    }
}
