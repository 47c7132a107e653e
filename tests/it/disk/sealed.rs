//! A start does not read every finished task; what is wrong with one is found while the coordinator serves.

use std::{fs, time::Duration};

use swarm_proto::v1::{CancelTasksRequest, Task, TaskState};

use crate::harness::{
    PATIENCE,
    client::{Client, shell_task},
    coordinator::Coordinator,
    wait_for,
};

/// Cancelled together, and more than the sample of them that a start reads.
const TOGETHER: usize = 1_000;
const ROUNDS: usize = 5;
const ATTEMPTS: usize = 5;
/// One in the middle.
const DAMAGED: &str = "task-2-500";

const READS_ALL: &str = "reading the whole store before serving";
const READ_THROUGH: &str = "the store was read through";

fn ids(round: usize) -> impl Iterator<Item = String> {
    (0..TOGETHER).map(move |index| format!("task-{round}-{index}"))
}

fn with_cancelled_tasks(rounds: usize) -> Coordinator {
    let coordinator = Coordinator::start();
    let client = coordinator.client();
    // No two records share a leaf of the store: a start looks at the neighbours of what it looks at.
    let script = format!("true # {}", "x".repeat(3_000));
    for round in 0..rounds {
        client.submit(ids(round).map(|id| shell_task(&id, &script)).collect());
        let request = CancelTasksRequest {
            task_ids: ids(round).collect(),
        };
        client.call(client.task_service().cancel_tasks(request)).unwrap();
    }
    coordinator
}

fn wait_for_log(coordinator: &mut Coordinator, text: &str) {
    wait_for(&format!("'{text}' is logged"), PATIENCE, || {
        coordinator.program().log().contains(text).then_some(())
    });
}

fn cancelled(client: &Client, id: &str) -> Task {
    let task = client.task(id);
    assert_eq!(task.state(), TaskState::Cancelled, "{id}");
    task
}

#[test]
fn neither_a_stop_nor_a_kill_makes_the_next_start_read_the_whole_store() {
    let mut coordinator = with_cancelled_tasks(1);
    let before = cancelled(&coordinator.client(), "task-0-7");
    for is_killed in [false, true] {
        if is_killed {
            coordinator.kill();
        } else {
            assert_eq!(coordinator.stop(Duration::from_secs(10)), 0);
        }
        coordinator.start_again();
        let client = coordinator.client();
        assert_eq!(cancelled(&client, "task-0-7"), before);
        // An id that is not there is free, and one that is there is not.
        client.submit(vec![shell_task(&format!("new-{is_killed}"), "true")]);
        wait_for_log(&mut coordinator, READ_THROUGH);
        assert!(!coordinator.program().log().contains(READS_ALL));
    }
    // A copy is not what was closed.
    assert_eq!(coordinator.stop(Duration::from_secs(10)), 0);
    let mut copied = Coordinator::with_copy(&coordinator.data_dir(), |_| {});
    assert!(copied.program().log().contains(READS_ALL));
    assert_eq!(cancelled(&copied.client(), "task-0-7"), before);
}

#[test]
fn damage_that_a_start_did_not_look_at_ends_the_process_and_the_next_start_builds_the_store_anew() {
    // Now and then sled itself meets the damage when it opens, and the start builds the store anew at once.
    let found_while_serving = (0..ATTEMPTS).any(|_| is_damage_found_while_serving());
    assert!(found_while_serving, "no start has passed over the damage");
}

/// Damages a task's record that a start does not look at, and sees the store built anew, in any case. Whether it took
/// a second start.
fn is_damage_found_while_serving() -> bool {
    let mut coordinator = with_cancelled_tasks(ROUNDS);
    let before = cancelled(&coordinator.client(), DAMAGED);
    // Twice, so that sled's own look at what is new does not meet it.
    for _ in 0..2 {
        assert_eq!(coordinator.stop(PATIENCE), 0);
        coordinator.start_again();
    }
    coordinator.kill();
    flip_wherever_it_is_named(&coordinator);
    coordinator.start_again();
    let is_passed_over = !coordinator.program().log().contains("set aside");
    if is_passed_over {
        assert!(!coordinator.program().log().contains(READS_ALL));
        assert_eq!(coordinator.program().wait(PATIENCE), 75);
        let log = coordinator.program().log();
        assert!(
            log.contains("store is damaged") || log.contains("is damaged: "),
            "{log}"
        );
        assert!(
            log.contains("help: nothing is lost: start the coordinator again"),
            "{log}"
        );
        coordinator.start_again();
        assert!(coordinator.program().log().contains(READS_ALL));
    }
    let log = coordinator.program().log();
    assert!(log.contains("set aside"), "{log}");
    assert_eq!(cancelled(&coordinator.client(), DAMAGED), before);
    is_passed_over
}

/// One bit, wherever the task's id stands in the store.
fn flip_wherever_it_is_named(coordinator: &Coordinator) {
    let file = coordinator.data_dir().join("store/db");
    let mut content = fs::read(&file).unwrap();
    let places: Vec<usize> = (0..content.len() - DAMAGED.len())
        .filter(|&place| content[place..].starts_with(DAMAGED.as_bytes()))
        .collect();
    assert!(!places.is_empty());
    for place in places {
        content[place] ^= 1;
    }
    fs::write(file, content).unwrap();
}
