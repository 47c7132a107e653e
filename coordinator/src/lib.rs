//! The coordinator: keeps tasks durably and hands them to agents.
//!
//! The folders stand from top to bottom: each knows only those below it, which a test asserts. A request comes in
//! through a door, and `request` has `core` decide it with the engine, wait until the journal has the decision on disk,
//! and answer. `core::view` keeps the store in step, behind the answers.

mod serve;

mod door;
mod verb;

mod request;
mod wire;
mod words;

mod start;
mod upkeep;

mod core;

mod records;
pub mod snapshot;
pub mod store;

pub mod journal;

mod machine;
mod program;
pub mod stored;

#[cfg(test)]
mod testing;

// For this workspace's own tests, benchmarks and fuzzing; no promise to anybody else.
#[doc(hidden)]
pub use crate::door::inside;
// The check of a submit is one, also for swarmctl's dry run.
#[doc(hidden)]
pub use crate::request::submit::faults as faults_of_submit;

use std::{
    ffi::OsString,
    io::{self, Write as _},
    path::Path,
    process::ExitCode,
};

use swarm_program::{bug::log_panics, exit::Exit, failure::Failure, log, settings::Settings};

use crate::{
    program::config::Config,
    verb::{PROGRAM, Program, Verb},
};

/// Runs the program with these arguments, the first of which is its name, until it is told to stop.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let code = run(args);
    log::flush();
    code
}

/// The whole command line: every verb with its flags, and the examples of their help.
pub fn command_line() -> clap::Command {
    verb::command_line()
}

fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let (Program { verb, config }, settings) = match PROGRAM.parse(args) {
        Ok(parsed) => parsed,
        Err(error) => return error.tell().into(),
    };
    if let Some(Verb::CheckStore { dir, depth }) = verb {
        return check_store(&dir, depth);
    }
    if let Some(Verb::Config(show)) = verb {
        return ended(begin_log(&config, &settings).and_then(|()| show.run(settings)));
    }
    if let Some(verb) = verb {
        return ended(begin_log(&config, &settings).and_then(|()| verb.run()));
    }
    if let Err(failure) = begin_log(&config, &settings).and_then(|()| config.check()) {
        return ended(Err(failure));
    }
    log_panics("coordinator");
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let sentence = format!("cannot start threads: {error}");
            return ended(Err(Failure::new(Exit::Bug, sentence)));
        }
    };
    ended(runtime.block_on(serve::run(config)))
}

fn ended(outcome: Result<(), Failure>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.tell().into(),
    }
}

/// Reads a store for another process, which ends this one when it takes too long.
fn check_store(dir: &Path, depth: store::probe::Depth) -> ExitCode {
    match store::probe::check(dir, &records::LAYOUT, depth) {
        Ok(()) => ExitCode::SUCCESS,
        Err((exit, why)) => {
            // Who waits for the answer may be gone.
            let _ = writeln!(io::stderr(), "{why}");
            exit.into()
        }
    }
}

fn begin_log(config: &Config, settings: &Settings) -> Result<(), Failure> {
    let level = config.log_level.as_str();
    log::start("swarm_coordinator", level, config.log_format).map_err(|error| {
        let sentence = format!("'{level}' is not a log level: {error}");
        Failure::new(Exit::Configuration, sentence).help("write --log-level info, or debug, warn, error")
    })?;
    for note in settings.notes() {
        tracing::warn!("{note}");
    }
    Ok(())
}
