//! The proof: the real programs are killed, stopped, cut off and filled up for an hour, while the engine is simulated
//! and power is lost beside them. It ends with a table, and with code 1 if any promise was broken.
//!
//! ```text
//! cargo run --release -p swarm-tests --bin proof -- --for 1h
//! cargo run --release -p swarm-tests --bin proof -- --cycles 1000
//! ```

#![expect(
    clippy::unwrap_used,
    reason = "in a proof a panic is the report; what fails is said in the table"
)]

#[path = "../crash/mod.rs"]
mod crash;
#[allow(dead_code, reason = "shared with the tests, which need more of it")]
#[path = "../harness/mod.rs"]
mod harness;
#[path = "../src/programs.rs"]
mod programs;

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::Parser;
use jiff::SignedDuration;

use crash::{
    part::Part,
    report::{Report, table},
    // After so many everything has to end and is checked; the next seed begins anew.
    run::CYCLES,
};

/// A run of one seed that takes longer hangs.
const RUN_LIMIT: Duration = Duration::from_secs(900);
/// Other parts have to be built first, and end by themselves.
const OTHERS_GRACE: Duration = Duration::from_secs(1800);
/// Seeds of the simulation that belong to one seed of the proof.
const SIMULATED: u64 = 100_000_000;

/// Proves on the real programs that nothing acknowledged is lost, repeated or reordered, whatever fails.
#[derive(Parser)]
#[command(name = "proof")]
struct Args {
    /// For how long, such as `1h`; simulation and power losses run beside the programs.
    #[arg(long = "for", value_name = "DURATION", default_value = "1h")]
    length: SignedDuration,
    /// So many cycles of faults on the real programs instead, and nothing beside them.
    #[arg(long, value_name = "N")]
    cycles: Option<usize>,
    /// The first seed; the next runs take the next ones.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Runs this seed alone and writes its report here; the proof starts itself so for each seed.
    #[arg(long, value_name = "FILE", hide = true)]
    report: Option<PathBuf>,
}

fn main() -> ExitCode {
    let args: Vec<OsString> = env::args_os().collect();
    if let Some(code) = programs::named(&args) {
        return code;
    }
    let args = Args::parse();
    if let Some(file) = &args.report {
        let outcome = crash::run::run(args.seed, args.cycles.unwrap_or(CYCLES));
        fs::write(file, outcome.report.to_json()).unwrap();
        return ExitCode::from(u8::from(!outcome.violations.is_empty()));
    }
    prove(&args)
}

/// Runs everything and prints the table.
fn prove(args: &Args) -> ExitCode {
    let dir = tempfile::tempdir().unwrap();
    let start = Instant::now();
    let length = Duration::try_from(args.length).unwrap_or_default();
    let others = match args.cycles {
        Some(_) => Vec::new(),
        None => vec![simulation(dir.path(), args.seed, length), power_loss(dir.path())],
    };
    let mut broken = Vec::new();
    let programs = run_programs(args, start, length, dir.path(), &mut broken);

    let mut parts = vec![("real programs", programs)];
    for other in others {
        let name = other.name;
        parts.push((name, other.finish(OTHERS_GRACE, &mut broken)));
    }
    println!("\nproved for {}\n", rounded(start.elapsed()));
    print!("{}", table(&parts));
    if broken.is_empty() {
        return ExitCode::SUCCESS;
    }
    println!();
    for line in broken {
        println!("{line}");
    }
    ExitCode::FAILURE
}

/// One seed after the other until the time is over or the cycles are done; each at least once.
fn run_programs(
    args: &Args,
    start: Instant,
    length: Duration,
    dir: &Path,
    broken: &mut Vec<String>,
) -> Report {
    let mut sum = Report::default();
    let mut left = args.cycles;
    for seed in args.seed.. {
        let cycles = left.unwrap_or(CYCLES).min(CYCLES);
        let run = programs_run(seed, cycles, dir);
        let report = run.finish(RUN_LIMIT, broken);
        println!(
            "{:>10}  seed {seed}: {cycles} cycles, {} faults, {} operations, {} violations",
            rounded(start.elapsed()),
            report.faults.values().sum::<u64>(),
            report.operations,
            report.violations
        );
        sum.add(&report);
        left = left.map(|left| left - cycles);
        if left.map_or(start.elapsed() >= length, |left| left == 0) {
            break;
        }
    }
    sum
}

fn programs_run(seed: u64, cycles: usize, dir: &Path) -> Part {
    let report = dir.join(format!("seed-{seed}.json"));
    let (seed, cycles) = (seed.to_string(), cycles.to_string());
    let again = format!("cargo run --release -p swarm-tests --bin proof -- --seed {seed} --cycles {cycles}");
    let mut command = std::process::Command::new(env::current_exe().unwrap());
    command
        .args(["--seed", &seed, "--cycles", &cycles, "--report"])
        .arg(&report);
    Part::start("real programs", command, report, again)
}

fn simulation(dir: &Path, seed: u64, length: Duration) -> Part {
    let report = dir.join("simulation.json");
    let words = ["-p", "swarm-engine", "--test", "simulation", "promises"];
    let again = "the line above it, with SIMULATION_SEED".to_owned();
    let mut command = cargo_test(&words);
    command
        .env("SIMULATION_SECONDS", length.as_secs().to_string())
        .env("SIMULATION_FROM", seed.wrapping_mul(SIMULATED).to_string())
        .env("SIMULATION_REPORT", &report);
    Part::start("simulation of the engine", command, report, again)
}

fn power_loss(dir: &Path) -> Part {
    let report = dir.join("power-loss.json");
    let words = ["-p", "swarm-tests", "--test", "power_loss", "a_power_loss"];
    let again = format!("cargo test --release {}", words.join(" "));
    let mut command = cargo_test(&words);
    command.env("POWER_LOSS_REPORT", &report);
    Part::start("power losses replayed", command, report, again)
}

fn cargo_test(words: &[&str]) -> std::process::Command {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = std::process::Command::new(cargo);
    command
        .args(["test", "--release"])
        .args(words)
        .args(["--", "--nocapture"])
        .current_dir(harness::workspace_root());
    command
}

/// For people.
fn rounded(time: Duration) -> String {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    format!("{:#}", SignedDuration::from_secs(seconds))
}
