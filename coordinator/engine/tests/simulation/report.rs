//! The report of a run: a line of JSON, and a check that the run has tested enough.

use std::fmt::Write as _;

use swarm_engine::event::Fact;

use super::{
    fault::{Deed, Fault, Tally},
    run::Outcome,
};

/// With fewer seeds than this, some fault may be missing by chance.
const LEAST_SEEDS: u64 = 200;

/// Prints the line, and writes it where `SIMULATION_REPORT` says.
pub(crate) fn tell(outcome: &Outcome) {
    let line = line(outcome);
    println!("{line}");
    if let Some(file) = std::env::var_os("SIMULATION_REPORT") {
        let file = std::path::PathBuf::from(file);
        if let Err(error) = std::fs::write(&file, line + "\n") {
            panic!("cannot write the report to {}: {error}", file.display());
        }
    }
}

fn line(outcome: &Outcome) -> String {
    let tally = &outcome.tally;
    let faults = Fault::ALL.iter().map(|(_, name)| *name).zip(&tally.faults);
    let deeds = Deed::ALL.iter().map(|(_, name)| *name).zip(&tally.deeds);
    let events = Fact::KINDS.into_iter().zip(&tally.events);
    format!(
        "{{\"seeds\":{},\"operations\":{},\"seconds\":{:.1},\"succeeded\":{},\"refused\":{},\
         \"repeated_grants\":{},\"faults\":{},\"deeds\":{},\"events\":{},\"violations\":{}}}",
        tally.seeds,
        tally.operations,
        outcome.took.as_secs_f64(),
        tally.deeds.iter().sum::<u64>(),
        tally.refused,
        tally.repeated_grants,
        object(faults),
        object(deeds),
        object(events),
        outcome.violations,
    )
}

/// A JSON object. The names are plain words without anything to escape.
fn object<'a>(counts: impl Iterator<Item = (&'static str, &'a u64)>) -> String {
    let mut text = String::from("{");
    for (name, count) in counts {
        let comma = if text.len() > 1 { "," } else { "" };
        let _ = write!(text, "{comma}\"{name}\":{count}");
    }
    text + "}"
}

/// Fails a run in which too few requests succeeded, or some fault never happened.
pub(crate) fn gate(tally: &Tally) {
    let succeeded: u64 = tally.deeds.iter().sum();
    assert!(
        succeeded * 10 > tally.operations,
        "of {} operations only {succeeded} requests succeeded: the test tests too little",
        tally.operations
    );
    if tally.seeds < LEAST_SEEDS {
        return;
    }
    let faults = Fault::ALL.iter().map(|(_, name)| *name).zip(&tally.faults);
    let deeds = Deed::ALL.iter().map(|(_, name)| *name).zip(&tally.deeds);
    let events = Fact::KINDS.into_iter().zip(&tally.events);
    for (name, count) in faults.chain(deeds).chain(events) {
        assert!(
            *count > 0,
            "no world has seen this: {name}; the test tests too little"
        );
    }
    assert!(
        tally.refused > 0,
        "nothing was refused: the test tests too little"
    );
    assert!(
        tally.repeated_grants > 0,
        "no grant was repeated: the test tests too little"
    );
}
