//! Everything dies, stops, fills up and is cut off again and again under load, and what clients saw is proved right.

use crate::crash::{
    report::table,
    run::{CYCLES, run},
};

/// Another one is chosen with `SWARM_TEST_SEED`.
const SEED: u64 = 1;

#[test]
fn fifty_cycles_of_faults_under_load_lose_repeat_and_reorder_nothing() {
    let seed = std::env::var("SWARM_TEST_SEED").map_or(SEED, |seed| seed.parse().unwrap());
    println!("SWARM_TEST_SEED={seed}");
    let outcome = run(seed, CYCLES);
    print!("{}", table(&[("real programs", outcome.report)]));
    assert!(
        outcome.violations.is_empty(),
        "seed {seed}:\n{}",
        outcome.violations.join("\n")
    );
}
