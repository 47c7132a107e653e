//! JSON for scripts: what became of a task, and nothing that nobody knows.

use crate::harness::{agent::RealAgent, coordinator::Coordinator};

#[test]
fn a_success_has_its_exit_code_and_a_refused_cancel_the_state_of_its_task() {
    let coordinator = Coordinator::start();
    let _agent = RealAgent::start(&coordinator, "a", &[]);
    coordinator
        .swarmctl(&["submit", "-q", "--id", "done", "--wait", "--", "true"])
        .expect(0);
    let inspected = coordinator.swarmctl(&["inspect", "done", "-o", "json"]).expect(0);
    assert_eq!(inspected.json()["attempts"][0]["exit_code"], 0);

    let refused = coordinator.swarmctl(&["cancel", "done", "-o", "json"]).expect(3);
    let change = &refused.json()["results"][0];
    assert_eq!(
        (&change["state"], &change["refusal"]["reason"]),
        (&"succeeded".into(), &"TASK_FINISHED".into())
    );
    let unknown = coordinator
        .swarmctl(&["cancel", "nobody", "-o", "json"])
        .expect(4);
    let change = &unknown.json()["results"][0];
    assert_eq!(
        (change.get("state"), &change["refusal"]["reason"]),
        (None, &"TASK_NOT_FOUND".into())
    );
}
