//! What an agent adds to a command: ten thousand `true` through a coordinator and one agent, beside the rate at which
//! this machine starts `true` at all.
//!
//! ```text
//! cargo bench -p swarm-tests --bench commands
//! ```
//!
//! Both run eight at a time. They take turns, since a machine that others share is not always as fast.

mod programs;

use std::{path::Path, time::Instant};

use tempfile::TempDir;

use self::programs::{program, start_coordinator};

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
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be started");
    let begun = Instant::now();
    runtime.block_on(async {
        let loops: Vec<_> = (0..AT_A_TIME)
            .map(|_| {
                tokio::spawn(async {
                    for _ in 0..COMMANDS / AT_A_TIME {
                        let ended = tokio::process::Command::new("true").status().await;
                        assert!(ended.expect("`true` can be started").success());
                    }
                })
            })
            .collect();
        for each in loops {
            each.await.expect("the loop ends");
        }
    });
    rate(begun)
}

/// As tasks that lie ready when the agent starts, until it has reported all of them and left.
fn through_an_agent() -> f64 {
    // On the disk where everything is built: a directory in memory syncs nothing.
    let dir = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory can be made");
    let (_coordinator, address) = start_coordinator(dir.path());
    let array = format!("1-{COMMANDS}");
    run(
        dir.path(),
        "swarmctl",
        &[
            "--coordinator",
            &address,
            "submit",
            "--array",
            &array,
            "--",
            "true",
        ],
    );
    let slots = AT_A_TIME.to_string();
    let begun = Instant::now();
    run(
        dir.path(),
        "agent",
        &["--coordinator", &address, "--slots", &slots, "--exit-when-idle"],
    );
    rate(begun)
}

fn rate(begun: Instant) -> f64 {
    COMMANDS as f64 / begun.elapsed().as_secs_f64()
}

/// Runs one of the programs to its end.
fn run(dir: &Path, name: &str, arguments: &[&str]) {
    let output = program(dir, name)
        .args(arguments)
        .output()
        .expect("a program can be started");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} failed: {said}");
}
