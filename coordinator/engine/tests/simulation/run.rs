//! Runs: one world, or many on all processors.
#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "how long worlds are run and how long it took is real time"
)]

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use super::{fault::Tally, trace::Trace, world::World};

/// Steps of one world.
pub(crate) const OPERATIONS: u64 = 1_000;

/// The length of a run.
#[derive(Clone, Copy)]
pub(crate) enum Length {
    Seeds(u64),
    Seconds(u64),
}

/// The outcome of a run.
pub(crate) struct Outcome {
    pub(crate) tally: Tally,
    pub(crate) violations: u64,
    pub(crate) took: Duration,
}

/// Runs one world to its end.
pub(crate) fn seed(seed: u64, operations: u64, forgets: bool, trace: Trace) -> World {
    let _rerun = Rerun(seed);
    let mut world = World::new(seed, forgets, trace);
    for step in 0..operations {
        world.coordinator.trace.line(|| format!("step {step}"));
        world.step();
    }
    world.finish();
    world
}

/// Runs seeds from `first` on, until enough have run or a seed broke a promise.
pub(crate) fn many(first: u64, length: Length) -> Outcome {
    let began = Instant::now();
    let (next, failed) = (AtomicU64::new(first), AtomicBool::new(false));
    let total = Mutex::new((Tally::default(), 0));
    let is_over = |number: u64| match length {
        Length::Seeds(count) => number >= first + count,
        Length::Seconds(seconds) => began.elapsed() >= Duration::from_secs(seconds),
    };
    let work = || {
        let (mut tally, mut violations) = (Tally::default(), 0);
        while !failed.load(Ordering::Relaxed) {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if is_over(number) {
                break;
            }
            let run = AssertUnwindSafe(|| seed(number, OPERATIONS, true, Trace::Off).tally);
            match catch_unwind(run) {
                Ok(seen) => tally.add(&seen),
                Err(_) => {
                    violations += 1;
                    failed.store(true, Ordering::Relaxed);
                }
            }
        }
        let mut total = total.lock().expect("no thread panics with it");
        total.0.add(&tally);
        total.1 += violations;
    };
    let processors = thread::available_parallelism().map_or(1, |count| count.get());
    thread::scope(|scope| {
        for _ in 0..processors {
            scope.spawn(work);
        }
    });
    let (tally, violations) = total.into_inner().expect("no thread panics with it");
    Outcome {
        tally,
        violations,
        took: began.elapsed(),
    }
}

/// Prints the command that runs a failing seed again.
struct Rerun(u64);

impl Drop for Rerun {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!(
                "rerun with: SIMULATION_SEED={} cargo test -p swarm-engine --test simulation promises -- --nocapture",
                self.0
            );
        }
    }
}
