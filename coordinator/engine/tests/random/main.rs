//! Random requests over a small world: late, repeated and reordered reports, jumps of time and restarts.
//!
//! After each step the state is checked against itself, and its events against a history that knows
//! only the promises. `SWARM_SEED=17` runs one seed alone.

mod history;
mod orders;
mod requests;
mod shelf;
mod world;

use std::collections::BTreeSet;

use swarm_engine::{event::Fact, id::LeaseToken, retry::mix};

use world::World;

const SEEDS: u64 = 300;

#[test]
fn promises_hold_in_random_worlds() {
    if let Some(seed) = std::env::var("SWARM_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
    {
        World::run(seed, true);
        return;
    }
    let mut kinds = BTreeSet::new();
    let mut refused = 0;
    let (mut forgotten, mut recalled) = (0, 0);
    for seed in 0..SEEDS {
        let world = World::run(seed, true);
        (forgotten, recalled) = (
            forgotten + world.shelf().forgotten,
            recalled + world.shelf().recalled,
        );
        kinds.extend(world.events.iter().map(|event| event.fact.kind()));
        refused += world.refused;
    }
    for kind in Fact::KINDS {
        assert!(
            kinds.contains(kind),
            "no world has seen {kind}: the test tests too little"
        );
    }
    assert!(
        refused > 1_000,
        "only {refused} refusals: the test tests too little"
    );
    assert!(
        forgotten > 1_000 && recalled > 1_000,
        "only {forgotten} tasks were forgotten and {recalled} recalled: the test tests too little"
    );
}

#[test]
fn the_same_seed_tells_the_same_story() {
    for seed in 0..10 {
        assert!(
            World::run(seed, true).events == World::run(seed, true).events,
            "seed {seed} went two ways"
        );
    }
}

#[test]
fn no_decision_differs_because_a_task_was_forgotten() {
    for seed in 0..SEEDS / 2 {
        let (forgetful, whole) = (World::run(seed, true), World::run(seed, false));
        let differs = forgetful
            .events
            .iter()
            .zip(&whole.events)
            .find(|(one, other)| one != other);
        assert!(differs.is_none(), "seed {seed} went another way: {differs:#?}");
        assert_eq!(
            (forgetful.events.len(), forgetful.refused),
            (whole.events.len(), whole.refused),
            "seed {seed}"
        );
    }
}

/// Says how to run a failing seed again.
pub(crate) struct Rerun(pub(crate) u64);

impl Drop for Rerun {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "rerun with: SWARM_SEED={} cargo test -p swarm-engine --test random",
                self.0
            );
        }
    }
}

/// Every choice in a world, in the order that its seed gives.
pub(crate) struct Random {
    pub(crate) seed: u64,
    pub(crate) drawn: u64,
}

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.drawn += 1;
        mix(self.seed, self.drawn)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub(crate) fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    pub(crate) fn token(&mut self) -> LeaseToken {
        LeaseToken((u128::from(self.next()) << 64 | u128::from(self.next())).to_be_bytes())
    }
}
