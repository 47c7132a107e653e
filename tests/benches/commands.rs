//! What an agent adds to a command: ten thousand `true` through a coordinator and one agent, beside the rate at which
//! this machine starts `true` at all.
//!
//! ```text
//! cargo bench -p swarm-tests --bench commands
//! ```
//!
//! Both run eight at a time. They take turns, since a machine that others share is not always as fast.

#![expect(clippy::unwrap_used, reason = "in a bench a panic is the report")]

#[allow(dead_code, reason = "shared with the tests, which need more of it")]
#[path = "../harness/mod.rs"]
mod harness;

use std::time::Instant;

use tempfile::TempDir;

use self::harness::{
    coordinator::Coordinator,
    program::{command, run},
    swarmctl::swarmctl,
};

const COMMANDS: usize = 10_000;
const AT_A_TIME: usize = 8;
const ROUNDS: usize = 3;

fn main() {
    println!("{COMMANDS} `true`, {AT_A_TIME} at a time: started/s");
    println!("{:>8}{:>12}{:>8}", "bare", "one agent", "ratio");
    for _ in 0..ROUNDS {
        let (bare, agent) = (bare(), through_an_agent());
        println!("{bare:>8.0}{agent:>12.0}{:>8.2}", agent / bare);
    }
}

/// Started by a loop that does nothing else.
fn bare() -> f64 {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let begun = Instant::now();
    runtime.block_on(async {
        let loops: Vec<_> = (0..AT_A_TIME)
            .map(|_| {
                tokio::spawn(async {
                    for _ in 0..COMMANDS / AT_A_TIME {
                        let ended = tokio::process::Command::new("true").status().await;
                        assert!(ended.unwrap().success());
                    }
                })
            })
            .collect();
        for each in loops {
            each.await.unwrap();
        }
    });
    rate(begun)
}

/// Time from the start of an agent, for which all tasks lie ready, until it has reported them and left.
fn through_an_agent() -> f64 {
    // On the disk where everything is built: a directory in memory syncs nothing.
    let dir = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let coordinator = Coordinator::with_flags_and_disk(dir, &["--log-level", "warn"], None);
    let array = format!("1-{COMMANDS}");
    swarmctl(
        coordinator.address(),
        coordinator.dir(),
        &["submit", "--array", &array, "--", "true"],
    )
    .expect(0);
    let mut agent = command("agent", coordinator.dir());
    agent
        .args(["--coordinator", coordinator.address(), "--log-level", "warn"])
        .args([
            "--slots",
            &AT_A_TIME.to_string(),
            "--max-tasks",
            &COMMANDS.to_string(),
        ]);
    let begun = Instant::now();
    run(agent).expect(0);
    rate(begun)
}

fn rate(begun: Instant) -> f64 {
    COMMANDS as f64 / begun.elapsed().as_secs_f64()
}
