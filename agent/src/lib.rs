//! The agent lends a machine to a coordinator. It claims tasks, runs them, renews their leases, and reports their
//! outcomes.
//!
//! A task goes `slot` → `attempt` → `executor` → `process` → `disk::outbox` → `slot` → `coordinator`. Four rules hold
//! on the way:
//!
//! - an outcome is on the disk before it is sent, and goes only when it is confirmed;
//! - a request whose answer was lost is repeated unchanged, for ever;
//! - a process that was started here is ended here, with all that it started, even when the agent is killed;
//! - nothing about one coordinator's tasks goes to another.

mod doctor;
mod verb;
mod work;

mod slot;

mod attempt;
mod executor;
mod process;

mod coordinator;
mod disk;

mod program;

mod attempt_key;

use std::{ffi::OsString, process::ExitCode, time::Duration};

use anyhow::Context as _;
use swarm_program::{
    bug::log_panics,
    exit::Exit,
    failure::Failure,
    log::{self, LEVELS},
    settings::{ReadError, Settings},
};

use crate::{
    process::tree::guard,
    program::{bug, config::Config},
    verb::CommandLine,
    work::Unfinished,
};

/// The time at the end for work on the disk that nobody waits for.
const LAST_MOMENT: Duration = Duration::from_secs(2);

/// Runs the program with these arguments, the first of which is its name.
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
    let args: Vec<OsString> = args.into_iter().collect();
    let (guarded, args) = match guard::asked_for(&args) {
        Some((file, flags)) => (Some(file), flags),
        None => (None, args),
    };
    if guarded.is_some() {
        guard::block_signals();
    }
    let read = match &guarded {
        // The guard gets all settings as flags from the agent, so that broken settings files do not stop it.
        Some(_) => Config::read(args)
            .map_err(ReadError::Usage)
            .map(|config| CommandLine {
                verb: None,
                config,
                settings: Settings::default(),
            }),
        None => verb::read(args),
    };
    let CommandLine {
        verb,
        config,
        settings,
    } = match read {
        Ok(read) => read,
        Err(error) => return error.tell().into(),
    };
    if let Err(failure) = begin_log(&config) {
        return failure.tell().into();
    }
    for note in settings.notes() {
        tracing::warn!("{note}");
    }
    if let Some(verb) = verb {
        let ended = verb.run(&config, &settings);
        return ended.unwrap_or_else(|failure| failure.tell()).into();
    }
    log_panics("agent");
    if let Some(file) = guarded {
        return guard::run(&file, &config);
    }
    let ended = bug::caught(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .context("cannot start the runtime")?;
        let ended = runtime.block_on(work::run(config));
        // A thread may hang on a file system for ever.
        runtime.shutdown_timeout(LAST_MOMENT);
        ended
    });
    match ended {
        Ok(None) => ExitCode::SUCCESS,
        Ok(Some(Unfinished(sentence))) => {
            tracing::warn!("{sentence}");
            ExitCode::SUCCESS
        }
        Err(failure) => failure.tell().into(),
    }
}

fn begin_log(config: &Config) -> Result<(), Failure> {
    let level = config.log_level.as_str();
    log::start("swarm_agent", level, config.log_format).map_err(|error| {
        Failure::new(Exit::Usage, format!("cannot use --log-level '{level}': {error}")).help(format!(
            "write one of {}, or directives such as warn,swarm_agent=debug",
            LEVELS.join(", ")
        ))
    })
}
