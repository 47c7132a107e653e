//! A seeded world around the pure engine: agents, submitters, operators and a coordinator that must keep its promises.
//! Messages are lost, repeated, late and out of order. Machines stop, die and come back. Clocks jump, and the
//! coordinator crashes with events that are not on disk.
//!
//! After each decision the state is checked against itself. Durable events and answers are checked against a history
//! that knows only the promises. At the end the journal is folded, and once faults have stopped every task must end.
//! Each seed leaves some operations and faults out.
//!
//! ```text
//! SIMULATION_SEED=17       runs this seed alone and shows its story
//! SIMULATION_SEEDS=N       runs N seeds instead of 2,000; .ci/run has 20,000
//! SIMULATION_SECONDS=S     runs seeds for S seconds instead
//! SIMULATION_FROM=N        begins with this seed instead of 0
//! SIMULATION_REPORT=FILE   writes the last line, which is JSON, to a file too
//! ```

mod simulation {
    pub(crate) mod agent;
    pub(crate) mod choice;
    pub(crate) mod coordinator;
    pub(crate) mod ending;
    pub(crate) mod fault;
    pub(crate) mod history;
    pub(crate) mod inputs;
    pub(crate) mod leases;
    pub(crate) mod network;
    pub(crate) mod people;
    pub(crate) mod random;
    pub(crate) mod report;
    pub(crate) mod requests;
    pub(crate) mod run;
    pub(crate) mod tasks;
    pub(crate) mod touched;
    pub(crate) mod trace;
    pub(crate) mod waiters;
    pub(crate) mod world;
}

use std::collections::BTreeSet;

use swarm_engine::event::Fact;

use simulation::{
    report,
    run::{self, Length, OPERATIONS},
    touched,
    trace::Trace,
};

/// Seeds of an ordinary run: about ten seconds on two cores.
const SEEDS: u64 = 2_000;

/// Seeds whose traces are compared.
const CANARIES: u64 = 200;

/// Seeds that run with and without eviction of ended tasks.
const FORGETFUL: u64 = 500;

/// Seeds whose records are compared before and after each event.
const COMPARED: u64 = 100;

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is not a number: {text}")),
    )
}

#[test]
fn promises_hold_whatever_goes_wrong() {
    if let Some(seed) = number("SIMULATION_SEED") {
        run::seed(seed, OPERATIONS, true, Trace::Shown);
        return;
    }
    let length = match (number("SIMULATION_SECONDS"), number("SIMULATION_SEEDS")) {
        (Some(seconds), _) => Length::Seconds(seconds),
        (None, Some(seeds)) => Length::Seeds(seeds),
        (None, None) => {
            println!("running {SEEDS} seeds; set SIMULATION_SEEDS to run more of them");
            Length::Seeds(SEEDS)
        }
    };
    let outcome = run::many(number("SIMULATION_FROM").unwrap_or(0), length);
    report::tell(&outcome);
    assert_eq!(
        outcome.violations, 0,
        "a promise was broken; the line to rerun it is above"
    );
    report::gate(&outcome.tally);
}

#[test]
fn the_same_seed_tells_the_same_story() {
    for seed in 0..CANARIES {
        let [one, other] = [(); 2].map(|()| run::seed(seed, OPERATIONS, true, Trace::Kept(Vec::new())));
        let (one, other) = (one.coordinator.trace, other.coordinator.trace);
        if let (Trace::Kept(one), Trace::Kept(other)) = (one, other) {
            let differs = one.iter().zip(&other).find(|(one, other)| one != other);
            assert!(differs.is_none(), "seed {seed} went two ways: {differs:#?}");
            assert_eq!(one.len(), other.len(), "seed {seed} went two ways");
            assert!(one.len() > 100, "seed {seed} has no story");
        }
    }
}

#[test]
fn no_decision_differs_because_a_task_was_forgotten() {
    for seed in 0..FORGETFUL {
        let [forgetful, whole] =
            [true, false].map(|forgets| run::seed(seed, OPERATIONS, forgets, Trace::Off));
        let pairs = forgetful
            .coordinator
            .journal
            .iter()
            .zip(&whole.coordinator.journal);
        let differs = pairs.into_iter().find(|(one, other)| one != other);
        assert!(differs.is_none(), "seed {seed} went another way: {differs:#?}");
        assert_eq!(
            (forgetful.coordinator.journal.len(), forgetful.tally.refused),
            (whole.coordinator.journal.len(), whole.tally.refused),
            "seed {seed}"
        );
    }
}

#[test]
fn each_fact_changes_the_records_that_it_says_it_touches() {
    let mut kinds = BTreeSet::new();
    for seed in 0..COMPARED {
        let journal = run::seed(seed, OPERATIONS, false, Trace::Off).coordinator.journal;
        touched::check(&journal);
        kinds.extend(journal.iter().map(|event| event.fact.kind()));
    }
    assert_eq!(kinds, BTreeSet::from(Fact::KINDS), "every kind of fact happens");
}
