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
mod log;
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

use std::{ffi::OsString, process::ExitCode};

use anyhow::Context as _;
use swarm_program::settings::{Refusal, Settings};
use tracing::Level;

use crate::{
    program::{
        bug,
        config::{Config, LogFormat},
    },
    verb::CommandLine,
    work::Unfinished,
};

const EXIT_FAILURE: u8 = 1;
const EXIT_USAGE: u8 = 2;
const EXIT_REFUSED: u8 = 3;
const EXIT_UNREACHABLE: u8 = 69;
const EXIT_BUG: u8 = 70;
const EXIT_CONFIGURATION: u8 = 78;

/// Runs the program with these arguments, the first of which is its name.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    let (guarded, args) = match crate::process::tree::guard::asked_for(&args) {
        Some((file, flags)) => (Some(file), flags),
        None => (None, args),
    };
    let read = match &guarded {
        // The guard gets all settings as flags from the agent, so that broken settings files do not stop it.
        Some(_) => Config::read(args)
            .map_err(Refusal::Usage)
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
        Ok(asked) => asked,
        Err(Refusal::Usage(error)) => {
            // An error here means that the terminal is gone.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { EXIT_USAGE } else { 0 });
        }
        Err(Refusal::Wrong(wrong)) => {
            return fail(&Fault::new(EXIT_CONFIGURATION, wrong.to_string()).help(wrong.help));
        }
    };
    if let Err(fault) = log::start(&config) {
        return fail(&fault);
    }
    for note in settings.notes() {
        tracing::warn!("{note}");
    }
    if let Some(verb) = verb {
        return verb.run(&config, &settings).unwrap_or_else(|fault| fail(&fault));
    }
    let log_format = config.log_format;
    bug::log_panics();
    if let Some(file) = guarded {
        return crate::process::tree::guard::run(&file);
    }
    let ended = bug::caught(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .context("cannot start the runtime")?;
        runtime.block_on(work::run(config))
    });
    match ended {
        Ok(None) => ExitCode::SUCCESS,
        Ok(Some(Unfinished(sentence))) => {
            tracing::warn!("{sentence}");
            ExitCode::SUCCESS
        }
        // A program that reads JSON lines gets the last one as JSON, too.
        Err(fault) if log_format == LogFormat::Json && tracing::enabled!(Level::ERROR) => {
            tracing::error!(help = fault.help, "{}", fault.sentence);
            ExitCode::from(fault.exit)
        }
        Err(fault) => fail(&fault),
    }
}

/// Why the program ends without having done its work.
struct Fault {
    sentence: String,
    help: Option<String>,
    exit: u8,
}

impl Fault {
    fn new(exit: u8, sentence: impl Into<String>) -> Fault {
        Fault {
            sentence: sentence.into(),
            help: None,
            exit,
        }
    }

    fn help(self, help: impl Into<String>) -> Fault {
        Fault {
            help: Some(help.into()),
            ..self
        }
    }
}

impl From<anyhow::Error> for Fault {
    fn from(error: anyhow::Error) -> Fault {
        Fault::new(EXIT_FAILURE, format!("{error:#}"))
    }
}

fn fail(fault: &Fault) -> ExitCode {
    eprintln!("error: {}", fault.sentence);
    if let Some(help) = &fault.help {
        eprintln!("help: {help}");
    }
    ExitCode::from(fault.exit)
}
