//! Everything dies, stops, fills up and is cut off again and again under load, and what clients saw is proved right.

use std::process::Command;

use crate::{
    crash::{
        report::table,
        run::{CYCLES, run},
    },
    harness::program,
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

#[test]
fn the_proof_of_a_few_cycles_ends_with_a_table() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_proof"));
    command.args(["--cycles", "3", "--seed", "5"]);
    let ended = program::run(command).expect(0);
    let row = ended
        .stdout
        .lines()
        .find(|line| line.starts_with("real programs"));
    let words: Vec<&str> = row.unwrap_or_default().split_whitespace().collect();
    assert!(
        words.len() == 6 && words[2] == "1" && words[5] == "0",
        "{}",
        ended.stdout
    );
}
