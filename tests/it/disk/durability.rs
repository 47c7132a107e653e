//! The coordinator dies again and again while clients submit and agents work: nothing acknowledged is
//! lost, and nothing is done twice.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use swarm_proto::v1::TaskState;

use crate::harness::{
    agent::RealAgent,
    client::{Client, count_by_task, quoted, shell_task},
    coordinator::Coordinator,
    wait_until,
};

const DEATHS: usize = 15;
const SUBMITTERS: usize = 3;
/// Between two deaths this many submits are acknowledged, and so many more by turns that deaths fall anywhere.
const SUBMITS_BETWEEN_DEATHS: usize = 4;
/// The whole of it on a slow machine.
const LIMIT: Duration = Duration::from_secs(120);

#[test]
fn a_coordinator_killed_fifteen_times_loses_nothing_acknowledged_and_repeats_nothing() {
    let start = Instant::now();
    let mut coordinator = Coordinator::start();
    let mut agents: Vec<_> = ["a", "b"]
        .map(|name| RealAgent::start(&coordinator, name, &["--slots", "4"]))
        .into();
    let done = coordinator.dir().join("done");
    fs::write(&done, "").unwrap();
    // Long enough that most deaths find some of them running.
    let line = format!("sleep 0.1; echo $SWARM_TASK_ID >> {}", quoted(&done));

    let acknowledged = Arc::new(Mutex::new(BTreeSet::new()));
    let enough = Arc::new(AtomicBool::new(false));
    let submitters: Vec<_> = (0..SUBMITTERS)
        .map(|submitter| {
            let (acknowledged, enough) = (acknowledged.clone(), enough.clone());
            let (address, line) = (coordinator.address().to_owned(), line.clone());
            thread::spawn(move || submit(&address, submitter, &line, &acknowledged, &enough))
        })
        .collect();

    let mut deaths_with_work_at_hand = 0;
    for death in 0..DEATHS {
        let before = acknowledged.lock().unwrap().len();
        let wanted = before + SUBMITS_BETWEEN_DEATHS + death * 7 % 5;
        wait_until("some more submits are acknowledged", || {
            acknowledged.lock().unwrap().len() >= wanted
        });
        let lines = fs::read_to_string(&done).unwrap().lines().count();
        deaths_with_work_at_hand += usize::from(lines < wanted);
        coordinator.kill();
        coordinator.start_again();
    }
    enough.store(true, Ordering::Relaxed);
    for submitter in submitters {
        submitter.join().unwrap();
    }

    let acknowledged = acknowledged.lock().unwrap().clone();
    assert!(acknowledged.len() >= DEATHS * SUBMITS_BETWEEN_DEATHS);
    assert!(
        deaths_with_work_at_hand > DEATHS / 2,
        "only {deaths_with_work_at_hand} deaths found work at hand"
    );
    let client = coordinator.client();
    for id in &acknowledged {
        client.wait_for_state(id, TaskState::Succeeded);
    }

    let events = client.all_events();
    assert_eq!(
        events
            .iter()
            .filter(|event| event.kind == "coordinator_started")
            .count(),
        DEATHS + 1
    );
    let once: BTreeMap<&str, usize> = acknowledged.iter().map(|id| (id.as_str(), 1)).collect();
    assert_eq!(count_by_task(&events, "task_succeeded"), once);
    assert_eq!(
        count_by_task(&events, "lease_granted"),
        once,
        "a task was granted again because of a restart"
    );
    let lines = fs::read_to_string(&done).unwrap();
    let mut ran: BTreeMap<&str, usize> = BTreeMap::new();
    for id in lines.lines() {
        *ran.entry(id).or_default() += 1;
    }
    assert_eq!(ran, once, "a command was run again because of a restart");
    for agent in &mut agents {
        assert_eq!(agent.program().ended(), None, "an agent has ended");
    }
    assert!(start.elapsed() < LIMIT, "it took {:?}", start.elapsed());
}

#[test]
fn an_acknowledged_submit_is_there_after_a_kill_right_behind_its_answer() {
    let mut coordinator = Coordinator::start();
    for round in 0..3 {
        let id = format!("task-{round}");
        let client = coordinator.client();
        client.submit(vec![shell_task(&id, "true")]);
        coordinator.kill();
        coordinator.start_again();
        let client = coordinator.client();
        assert_eq!(client.task(&id).state(), TaskState::Queued);
        assert!(client.submit(vec![shell_task(&id, "true")]).tasks[0].existed);
    }
}

/// Submits task after task, each again and again until it is acknowledged.
fn submit(
    address: &str,
    submitter: usize,
    line: &str,
    acknowledged: &Mutex<BTreeSet<String>>,
    enough: &AtomicBool,
) {
    let client = Client::connect(address);
    for n in 0.. {
        if enough.load(Ordering::Relaxed) {
            return;
        }
        let id = format!("task-{submitter}-{n}");
        wait_until("a submit is acknowledged", || {
            client.try_submit(vec![shell_task(&id, line)]).is_ok()
        });
        acknowledged.lock().unwrap().insert(id);
    }
}
