//! One agent's state directory was copied to another host: of the two only one can work.

use std::{fs, time::Duration};

use swarm_proto::v1::TaskState;

use crate::harness::{
    agent::RealAgent,
    client::{quoted, shell_task},
    coordinator::Coordinator,
    wait_until,
};

/// For an end that includes a task's.
const SECONDS: Duration = Duration::from_secs(15);
/// Refused: somebody else is this agent.
const REFUSED: i32 = 3;

#[test]
fn of_two_copies_of_a_state_directory_one_works_and_the_other_leaves_and_says_why() {
    let coordinator = Coordinator::start();
    let client = coordinator.client();
    let dir = coordinator.dir().to_owned();
    let mut first = RealAgent::start(&coordinator, "a", &["--slots", "1"]);
    let line = format!(
        "echo $SWARM_ATTEMPT >> {0}; until test -e {1}; do sleep 0.02; done",
        quoted(&dir.join("begun")),
        quoted(&dir.join("gate"))
    );
    client.submit(vec![shell_task("shared", &line)]);
    let begun = |lines: usize| {
        let text = fs::read_to_string(dir.join("begun")).unwrap_or_default();
        text.lines().count() == lines
    };
    wait_until("the first one runs it", || begun(1));

    let mut second = first.start_copy(&coordinator);
    assert_eq!(first.program().wait(SECONDS), REFUSED);
    let log = first.program().log();
    assert!(
        log.contains("error: ") && log.contains("help: "),
        "it does not say what is wrong and what to do:\n{log}"
    );
    assert!(
        log.contains("AGENT_REPLACED") || log.contains("another") || log.contains("other"),
        "it does not say why it ends:\n{log}"
    );
    wait_until("the second one runs it", || begun(2));
    fs::write(dir.join("gate"), "").unwrap();
    let task = client.wait_for_state("shared", TaskState::Succeeded);
    assert_eq!((task.attempt_count, task.tries.unwrap().losses), (2, 0));
    client.submit(vec![shell_task("next", "true")]);
    client.wait_for_state("next", TaskState::Succeeded);
    assert_eq!(second.program().ended(), None);

    // Started again by somebody, the first one is the newer one.
    first.start_again();
    assert_eq!(second.program().wait(SECONDS), REFUSED);
    client.submit(vec![shell_task("last", "true")]);
    client.wait_for_state("last", TaskState::Succeeded);
    assert_eq!(first.program().ended(), None);
}
