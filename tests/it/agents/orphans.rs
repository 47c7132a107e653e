//! An agent that is process 1 of its container gets every orphan there. It waits for none and leaves none.

use std::time::Duration;

use swarm_proto::v1::TaskState;

use crate::harness::{
    agent::RealAgent,
    client::{duration, shell_task, with},
    coordinator::Coordinator,
};

const SHORT: usize = 60;
/// No command here takes that long; each one's orphan may.
const TIMEOUT: Duration = Duration::from_secs(30);

#[test]
fn a_task_of_process_1_ends_with_its_command_whatever_that_left_running() {
    let coordinator = Coordinator::start();
    let client = coordinator.client();
    let flags = ["--slots", "2"];
    let Some(mut agent) = RealAgent::start_as_process_1(&coordinator, "one", &flags) else {
        return;
    };
    let task = |task_id: &str, line: &str| {
        with(shell_task(task_id, line), |spec| {
            spec.timeout = Some(duration(TIMEOUT));
            spec.retry.get_or_insert_default().max_retries = Some(0);
        })
    };
    let mut tasks: Vec<_> = (0..SHORT)
        .map(|n| task(&format!("short{n}"), "setsid sleep 0.01 & exit 0"))
        .collect();
    tasks.push(task("holds-its-pipe", "sleep 1000 & exit 0"));
    tasks.push(task("holds-nothing", "sleep 1000 > /dev/null 2>&1 & echo x"));
    tasks.push(task(
        "many",
        "for i in $(seq 20); do (setsid sh -c 'sleep 0.2' >/dev/null 2>&1 &); done; echo y",
    ));
    let task_ids: Vec<String> = tasks.iter().map(|task| task.task_id.clone()).collect();
    client.submit(tasks);
    for task_id in &task_ids {
        let task = client.wait_for_state(task_id, TaskState::Succeeded);
        assert_eq!(task.attempts.len(), 1, "{task:?}\n{}", agent.program().log());
    }
}
