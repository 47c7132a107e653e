//! Figures, not promises: memory and time for many tasks. By hand:
//! `cargo test --release -p swarm-coordinator --lib figures -- --ignored --nocapture --test-threads 1`

use swarm_engine::{
    command::submit::{self, NewTask, Submit},
    draft::decide,
    noun::task::TaskState,
    state::State,
    time::Timestamp,
};

use crate::{
    machine::clock::{Belief, Clock},
    testing::{fixture::Fixture, requests::task},
};

const SUBMITTED_TOGETHER: usize = 10_000;

/// Bytes of memory that this process has.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

/// Tasks whose specs have 300 bytes, each text on its own, as they come from the wire.
fn tasks(from: usize) -> Vec<NewTask> {
    (from..from + SUBMITTED_TOGETHER)
        .map(|index| NewTask {
            spec: vec![b'x'; 300].into(),
            ..task(&format!("render-frame-{index:08}"), &[])
        })
        .collect()
}

#[test]
#[ignore = "a figure"]
fn figures_of_queued_tasks() {
    const QUEUED: usize = 1_000_000;
    let mut state = State::default();
    let before = resident();
    let began = Clock::start(Timestamp(0), None, Belief::Accepted).unwrap().0;
    for from in (0..QUEUED).step_by(SUBMITTED_TOGETHER) {
        let request = Submit {
            tasks: tasks(from),
            ..Submit::default()
        };
        let (result, _) = decide(&mut state, Timestamp(1), |draft| submit::decide(draft, request));
        result.unwrap();
    }
    println!(
        "{} bytes for each of {QUEUED} queued tasks, submitted in {:?}",
        (resident() - before) / QUEUED as u64,
        began.uptime()
    );
    assert_eq!(state.counts().of(TaskState::Queued), QUEUED as u64);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a figure"]
async fn figures_of_tasks_through() {
    const THROUGH: usize = 200_000;
    let swarm = Fixture::new();
    swarm.register().await;
    let began = Clock::start(Timestamp(0), None, Belief::Accepted).unwrap().0;
    for from in (0..THROUGH).step_by(SUBMITTED_TOGETHER) {
        swarm.submit(None, tasks(from)).await.unwrap();
        swarm.work().await;
        swarm.settle().await;
        println!(
            "{} done, {} in memory, {} MiB resident, {} MiB of store, after {:?}",
            from + SUBMITTED_TOGETHER,
            swarm.tasks_in_memory(),
            resident() >> 20,
            swarm.core.store.size_on_disk().unwrap() >> 20,
            began.uptime()
        );
    }
    let files = swarm.stop();
    let began = Clock::start(Timestamp(0), None, Belief::Accepted).unwrap().0;
    let swarm = Fixture::open(files);
    println!("a start with {THROUGH} done takes {:?}", began.uptime());
    let files = swarm.stop();
    let began = Clock::start(Timestamp(0), None, Belief::Accepted).unwrap().0;
    let swarm = Fixture::open(files);
    println!("and once more {:?}", began.uptime());
    assert_eq!(swarm.tasks_in_memory(), 0);
}
