//! A coordinator that starts, takes a snapshot and removes old events, killed at each of its steps.

use std::{ffi::OsString, fs, path::Path, sync::Mutex, time::Instant};

use nix::sys::signal::Signal;
use swarm_proto::v1::{ListTasksRequest, Task};

use super::{
    KILLED, SAMPLE, THREADS,
    image::names,
    scene::{Scene, TASKS, verb},
    steps::{chosen, deed, with_each},
};
use crate::harness::{
    PATIENCE,
    client::Client,
    coordinator::Coordinator,
    disk::{Plan, Step},
    program::{Program, command},
    wait_until,
};

/// The parts of a data directory. Threads write side by side: the order is the same only within a part.
const PARTS: [&str; 3] = ["data/snapshot", "data/journal", "data/store"];

#[test]
fn a_coordinator_killed_at_any_step_of_snapshot_and_trim_starts_again_and_has_the_same_tasks() {
    kill_serving(SAMPLE);
}

/// `cargo test -p swarm-tests --test it -- --ignored --nocapture by_hand_a_coordinator`; it takes some minutes.
#[test]
#[ignore = "by hand: a sample of the same steps is in the ordinary run"]
fn by_hand_a_coordinator_killed_at_each_step_of_snapshot_and_trim_starts_again() {
    kill_serving(usize::MAX);
}

fn kill_serving(most: usize) {
    let Some(scene) = Scene::with_two_segments() else {
        return;
    };
    let start = Instant::now();
    let trial = scene.trial();
    let plan = trial.count();
    assert!(trims(&mut serve(&trial.root, &plan)));
    let steps = plan.steps();
    let expected = tasks_of(&Coordinator::serving(&trial.root, &[]).client());
    let in_part = |part: &str| -> Vec<Step> {
        let its = steps.iter().filter(|step| step.path.contains(part));
        its.cloned().collect()
    };
    let numbers = |part| {
        chosen(&in_part(part), most)
            .into_iter()
            .map(move |number| (part, number))
    };
    let chosen: Vec<(&str, usize)> = PARTS.into_iter().flat_map(numbers).collect();
    let killed = Mutex::new(Vec::new());
    // Most of the time is spent waiting for the upkeep, which is due once a second.
    with_each(&chosen, 2 * THREADS, |(part, number)| {
        let trial = scene.trial();
        let deed = deed(number);
        let plan = trial.count_in(part).at(number, deed);
        let mut program = serve(&trial.root, &plan);
        if trims(&mut program) {
            program.kill();
        } else {
            assert_eq!(program.wait(PATIENCE), KILLED, "step {number}");
            let at = plan.steps().into_iter().find(|step| step.is_hit);
            println!("{deed:?} at {number} of {part}, {at:?}");
            killed.lock().unwrap().push(part);
        }
        fs::remove_file(trial.root.join("log")).unwrap();
        goes_on(&trial.root, &expected, number);
    });
    let killed = killed.into_inner().unwrap();
    println!(
        "serving: {} steps, {} tried, killed at {}, in {:?}",
        steps.len(),
        chosen.len(),
        killed.len(),
        start.elapsed()
    );
    assert!(PARTS.iter().all(|part| killed.contains(part)), "{killed:?}");
}

/// Starts a coordinator that removes old events soon.
fn serve(root: &Path, disk: &Plan) -> Program {
    let mut command = command("coordinator", root);
    command
        .args(["--listen", "127.0.0.1:0", "--data-dir", "data"])
        .args(["--keep-events", "1s"])
        .current_dir(root)
        .envs(disk.env().iter().cloned());
    Program::start("the coordinator", command, &root.join("log"), Signal::SIGTERM)
}

/// Waits until it has removed old events; false when it ends before.
fn trims(program: &mut Program) -> bool {
    wait_until("it ends or old events are removed", || {
        program.ended().is_some() || program.log().contains("removed old events")
    });
    program.ended().is_none()
}

/// The next one has the same tasks and removes old events, and then all is well.
fn goes_on(root: &Path, expected: &[Task], number: usize) {
    let mut coordinator = Coordinator::serving(root, &["--keep-events", "1s"]);
    assert!(tasks_of(&coordinator.client()) == expected, "after step {number}");
    wait_until("old events are gone", || {
        let segments = names(&root.join("data/journal"));
        !segments.contains(&OsString::from("00000000000000000001.seg"))
    });
    coordinator.kill();
    verb(&["rebuild", "--data-dir", "data"], root, None).expect(0);
    verb(&["verify", "--data-dir", "data"], root, None).expect(0);
}

/// All tasks as people see them.
fn tasks_of(client: &Client) -> Vec<Task> {
    let listed = client.call(client.task_service().list_tasks(ListTasksRequest::default()));
    let listed = listed.unwrap().into_inner();
    assert!(listed.tasks.len() > TASKS && listed.next_page_token.is_empty());
    listed
        .tasks
        .iter()
        .map(|task| client.task(&task.task_id))
        .collect()
}
