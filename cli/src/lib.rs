//! The submitter's and operator's program: everything about `swarmctl` but its one-line `main`.
//!
//! A verb is a file in `command/`. It asks through `client.rs`, prints through
//! `output/`, and ends with an `Exit` or a `Trouble`.

pub mod args;
pub mod awaited;
pub mod client;
pub mod command;
mod demo;
pub mod exit;
pub mod follow;
mod interrupt;
pub mod jobfile;
pub mod output;
mod patience;
pub mod subject;
pub mod trouble;

use std::{ffi::OsString, io, pin::Pin, process::ExitCode};

use clap::Parser as _;

use args::{Program, Verb};
use exit::Exit;
use trouble::Trouble;

/// Runs `swarmctl` with these arguments, the first of which is the program's name.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    if let Some(program) = args.first().and_then(|name| command::dev::child(name)) {
        return program(args);
    }
    let program = match Program::try_parse_from(&args) {
        Ok(program) => program,
        Err(error) => {
            // Help goes to stdout, everything else to stderr; a closed one cannot be told about.
            let _ = error.print();
            return if error.use_stderr() {
                Exit::Usage.into()
            } else {
                Exit::Done.into()
            };
        }
    };
    match run(program) {
        Ok(exit) => exit.into(),
        Err(error) => report(&error).into(),
    }
}

fn run(program: Program) -> anyhow::Result<Exit> {
    let Program { globals, verb } = program;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let working: Pin<Box<dyn Future<Output = anyhow::Result<Exit>>>> = match verb {
        Verb::Dev(args) => return command::dev::run(args, &globals),
        Verb::Submit(args) => Box::pin(command::submit::run(args, &globals)),
        Verb::Run(args) => Box::pin(command::run::run(args, &globals)),
        Verb::Wait(args) => Box::pin(command::wait::run(args, &globals)),
        Verb::List(args) => Box::pin(command::list::run(args, &globals)),
        Verb::Inspect(args) => Box::pin(command::inspect::run(args, &globals)),
        Verb::Status(args) => Box::pin(command::status::run(args, &globals)),
        Verb::Events(args) => Box::pin(command::events::run(args, &globals)),
        Verb::Logs(args) => Box::pin(command::logs::run(args, &globals)),
        Verb::Cancel(args) => Box::pin(command::cancel::run(args, &globals)),
        Verb::Retry(args) => Box::pin(command::retry::run(args, &globals)),
        Verb::Job(args) => Box::pin(command::job::run(args, &globals)),
        Verb::Agent(args) => Box::pin(command::agent::run(args, &globals)),
    };
    runtime.block_on(working)
}

/// Tells a person what went wrong; gives what a script is told.
fn report(error: &anyhow::Error) -> Exit {
    // `swarmctl list | head -1` closes the pipe when it has seen enough.
    if error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    {
        return Exit::Done;
    }
    match error.downcast_ref::<Trouble>() {
        Some(trouble) => {
            trouble.tell();
            trouble.exit
        }
        None => {
            output::note(format!("error: {error:#}"));
            Exit::Failed
        }
    }
}
