//! One run: a seed, so many cycles of faults, recovery and progress, and the proof at its end.

use std::{collections::BTreeMap, fs, sync::Arc, time::Instant};

use nix::sys::signal::Signal;
use swarm_proto::v1::{CancelTasksRequest, ListTasksRequest, Task, TaskState};

use super::{
    caller::{Caller, Recorder},
    check,
    fault::Deck,
    gate,
    history::{Answer, History, Line},
    load::{Addresses, Load},
    report::Report,
    swarm::{End, Swarm},
};
use crate::harness::{
    PATIENCE,
    client::Client,
    program::{command, run as run_program},
    seeded::Seeded,
    wait_until,
};

/// Tasks that have to succeed after the faults of a cycle.
const PROGRESS: u64 = 3;
/// Up to so many more have to succeed, so that the next faults come at any moment.
const MORE_PROGRESS: u64 = 24;
/// So many cycles or more have to bring every kind of fault, and enough to do.
pub(crate) const CYCLES: usize = 50;
/// The events of so many tasks in violations are shown.
const MOST_SHOWN: usize = 5;
/// Backoffs of lost tasks can be minutes: what still waits after so many looks is cancelled.
const PATIENT_LOOKS: usize = 400;

/// The outcome of a run.
pub(crate) struct Outcome {
    pub(crate) report: Report,
    /// Everything that must not have been, in words.
    pub(crate) violations: Vec<String>,
}

/// Runs this many cycles of what follows from the seed.
///
/// # Panics
///
/// When something does not happen in time.
pub(crate) fn run(seed: u64, cycles: usize) -> Outcome {
    let start = Instant::now();
    let mut chance = Seeded::from(seed);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let recorder = Arc::new(Recorder::new());
    let mut swarm = Swarm::start(runtime.handle(), recorder.clone(), chance.branch());
    let lines = swarm.coordinator.dir().join("lines");
    fs::write(&lines, "").unwrap();
    let mut load = {
        let _inside = runtime.enter();
        let addresses = Addresses {
            clients: swarm.address(End::Clients),
            rogues: swarm.address(End::Rogues),
            readers: swarm.address(End::Readers),
            coordinator: swarm.coordinator.address(),
        };
        Load::start(&addresses, &recorder, &lines, &mut chance)
    };

    let mut deck = Deck::new(chance.branch());
    for cycle in 0..cycles {
        let mut faults = vec![deck.deal()];
        if chance.percent(50) {
            faults.push(deck.deal());
        }
        println!("{:?}: cycle {cycle}, {faults:?}", start.elapsed());
        let wanted = load.board.progress.succeeded() + PROGRESS + chance.below(MORE_PROGRESS);
        for fault in faults {
            swarm.suffer(fault);
        }
        wait_until(&format!("work goes on after the faults of cycle {cycle}"), || {
            swarm.look();
            load.board.progress.succeeded() >= wanted
        });
    }
    swarm.mend();
    runtime.block_on(load.stop());
    println!("{:?}: the faults are over", start.elapsed());

    let board = load.board.clone();
    let client = swarm.coordinator.client();
    let canceller = {
        let _inside = runtime.enter();
        Caller::new("last", swarm.coordinator.address(), &recorder)
    };
    let mut looks = 0;
    wait_until("every task has ended", || {
        swarm.look();
        looks += 1;
        if looks % PATIENT_LOOKS == 0 {
            let waiting = pages(&client, &[TaskState::Delayed]);
            runtime.block_on(cancel(waiting, &canceller));
        }
        board.progress.open() == 0 && unended(&client) == 0
    });
    swarm.stop_agents();
    let tasks = all_tasks(&client);
    // Agents that the test forgot are lost at any time: the log is read when no reader can be sent more.
    let readers = runtime.block_on(load.stop_reading());
    let log = client.all_events();
    drop(runtime);

    let history = History {
        calls: recorder.take(),
        readers,
        lines: fs::read_to_string(&lines)
            .unwrap()
            .lines()
            .filter_map(Line::parse)
            .collect(),
        log,
        tasks,
    };
    let mut violations = std::mem::take(&mut swarm.violations);
    violations.extend(check::violations(&history));
    violations.extend(stop(&mut swarm));
    let answered = history
        .calls
        .iter()
        .filter(|call| call.exchange.as_of().is_some())
        .count();
    println!(
        "{:?}: {answered} of {} calls answered, {} events, {} tasks, {} lines, {} connections of readers, faults {:?}",
        start.elapsed(),
        history.calls.len(),
        history.log.len(),
        history.tasks.len(),
        history.lines.len(),
        history
            .readers
            .iter()
            .map(|reader| reader.connections.len())
            .sum::<usize>(),
        swarm.faults
    );
    println!(
        "attempts failed for these reasons: {:?}",
        failures(&history.tasks)
    );
    let mut report = Report {
        seeds: 1,
        operations: answered as u64,
        faults: swarm
            .faults
            .iter()
            .map(|(&kind, &count)| (kind.to_owned(), count))
            .collect(),
        untried: swarm.untried.iter().map(|&kind| kind.to_owned()).collect(),
        violations: 0,
    };
    if cycles >= CYCLES {
        violations.extend(gate::missing(&history, &report));
    }
    report.violations = violations.len() as u64;
    show(&history, &violations);
    Outcome { report, violations }
}

/// How many attempts failed for each reason.
fn failures(tasks: &[Task]) -> BTreeMap<&str, usize> {
    let mut failures = BTreeMap::new();
    for attempt in tasks.iter().flat_map(|task| &task.attempts) {
        if !attempt.failure_reason.is_empty() {
            *failures.entry(attempt.failure_reason.as_str()).or_default() += 1;
        }
    }
    failures
}

fn unended(client: &Client) -> u64 {
    let counts = client.status().tasks.unwrap_or_default();
    counts.blocked + counts.delayed + counts.queued + counts.running
}

async fn cancel(tasks: Vec<Task>, canceller: &Caller) {
    if !tasks.is_empty() {
        let task_ids = tasks.into_iter().map(|task| task.task_id).collect();
        let answer = canceller.cancel(CancelTasksRequest { task_ids }).await;
        assert!(matches!(answer, Answer::Given(_)), "no fault is left: {answer:?}");
    }
}

fn all_tasks(client: &Client) -> Vec<Task> {
    pages(client, &[])
}

fn pages(client: &Client, states: &[TaskState]) -> Vec<Task> {
    let (mut tasks, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListTasksRequest {
            states: states.iter().map(|&state| state.into()).collect(),
            page_size: 1_000,
            page_token,
            ..Default::default()
        };
        let page = client
            .call(client.task_service().list_tasks(request))
            .unwrap()
            .into_inner();
        tasks.extend(page.tasks);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return tasks;
        }
    }
}

/// Stops the coordinator as it should be, and lets it read through everything that it has kept.
fn stop(swarm: &mut Swarm) -> Vec<String> {
    let mut found = Vec::new();
    swarm.coordinator.program().signal(Signal::SIGTERM);
    let code = swarm.coordinator.program().wait(PATIENCE);
    if code != 0 {
        found.push(format!(
            "the coordinator was asked to stop, and ended with {code}"
        ));
    }
    let mut verify = command("coordinator", swarm.coordinator.dir());
    verify
        .args(["verify", "--data-dir"])
        .arg(swarm.coordinator.data_dir());
    let ended = run_program(verify);
    if ended.code != 0 {
        found.push(format!(
            "'coordinator verify' ended with {}:\n{}",
            ended.code, ended.stderr
        ));
    }
    found
}

/// Prints what there is about the tasks in the violations.
fn show(history: &History, violations: &[String]) {
    for violation in violations {
        println!("VIOLATION: {violation}");
    }
    let mut ids: Vec<&str> = violations
        .iter()
        .filter_map(|violation| violation.strip_prefix("task ")?.split([' ', ',', ':']).next())
        .collect();
    ids.dedup();
    for id in ids.into_iter().take(MOST_SHOWN) {
        println!("---- {id}");
        for event in history.log.iter().filter(|event| event.task_id == id) {
            println!("{} {} {}", event.seq, event.kind, event.summary);
        }
        for call in &history.calls {
            let text = format!("{:?}", call.exchange);
            if text.contains(&format!("\"{id}\"")) {
                println!("{:?}..{:?} {} {text}", call.called, call.returned, call.client);
            }
        }
        for line in history.lines.iter().filter(|line| line.task == id) {
            println!("{line:?}");
        }
    }
}
