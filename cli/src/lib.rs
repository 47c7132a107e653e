//! The submitter's and operator's program: everything about `swarmctl` but its one-line `main`.
//!
//! A verb is a file in `command/`. It asks through `client.rs`, prints through
//! `output/`, and ends with an `Exit` or a `Trouble`.

mod actor;
pub mod args;
pub mod awaited;
pub mod client;
pub mod command;
mod confirmation;
mod demo;
mod exchange;
// For fuzzing; no promise to anybody else.
#[doc(hidden)]
pub use exchange::read_in_every_format;
pub mod exit;
pub mod follow;
mod interrupt;
pub mod jobfile;
pub mod output;
mod pages;
mod past;
mod patience;
pub mod program;
pub mod subject;
pub mod trouble;

use std::{
    ffi::OsString,
    io,
    panic::{self, AssertUnwindSafe, PanicHookInfo},
    pin::Pin,
    process::ExitCode,
};

use swarm_settings::{Refusal, Settings};

use args::{PROGRAM, Program, Verb};
use exit::Exit;
use trouble::Trouble;

/// Runs `swarmctl` with these arguments, the first of which is the program's name.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    if let Some(program) = args.first().and_then(|name| command::dev::child(name)) {
        return program(args);
    }
    let (program, settings) = match PROGRAM.parse::<Program>(&args) {
        Ok(parsed) => parsed,
        Err(Refusal::Wrong(wrong)) => {
            Trouble::of_settings(&wrong).tell();
            return Exit::Configuration.into();
        }
        Err(Refusal::Usage(error)) => {
            // Help goes to stdout, everything else to stderr; a closed one cannot be told about.
            let _ = error.print();
            return if error.use_stderr() {
                Exit::Usage.into()
            } else {
                Exit::Done.into()
            };
        }
    };
    panic::set_hook(Box::new(tell_bug));
    program::next::remember_usual(&settings);
    settings.notes().iter().for_each(program::terminal::note);
    unless_bug(|| run(program, &settings)).into()
}

/// What the work comes to; a mistake of ours has its own exit code.
fn unless_bug(work: impl FnOnce() -> anyhow::Result<Exit>) -> Exit {
    // Nothing that a panic may have left half done is used any more.
    match panic::catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(exit)) => exit,
        Ok(Err(error)) => report(&error),
        Err(_told) => Exit::Bug,
    }
}

/// Tells a person of a panic, in place of the runtime's own words.
fn tell_bug(panic: &PanicHookInfo<'_>) {
    let what = panic.payload_as_str().unwrap_or("it did not say why");
    let place = panic.location().map_or_else(String::new, |place| {
        format!(" ({}:{})", place.file(), place.line())
    });
    program::terminal::note(format!(
        "error: swarmctl had to stop because of a bug of ours: {what}{place}"
    ));
    program::terminal::note("help: please report it, with the command line and these lines");
}

fn run(program: Program, settings: &Settings) -> anyhow::Result<Exit> {
    let Program { globals, verb } = program;
    globals.check()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let working: Pin<Box<dyn Future<Output = anyhow::Result<Exit>>>> = match verb {
        Verb::Dev(args) => return command::dev::run(args, &globals),
        Verb::Submit(args) => Box::pin(command::submit::run(args, &globals)),
        Verb::Run(args) => Box::pin(command::run::run(args, &globals)),
        Verb::Wait(args) => Box::pin(command::wait::run(args, &globals)),
        Verb::List(args) => Box::pin(command::list::run(args, &globals)),
        Verb::Explain(args) => Box::pin(command::explain::run(args, &globals)),
        Verb::Inspect(args) => Box::pin(command::inspect::run(args, &globals)),
        Verb::Status(args) => Box::pin(command::status::run(args, &globals)),
        Verb::Events(args) => Box::pin(command::events::run(args, &globals)),
        Verb::Logs(args) => Box::pin(command::logs::run(args, &globals)),
        Verb::Cancel(args) => Box::pin(command::cancel::run(args, &globals)),
        Verb::Retry(args) => Box::pin(command::retry::run(args, &globals)),
        Verb::Import(args) => Box::pin(command::import::run(args, &globals)),
        Verb::Export(args) => Box::pin(command::export::run(args, &globals)),
        Verb::Job(args) => Box::pin(command::job::run(args, &globals)),
        Verb::Agent(args) => Box::pin(command::agent::run(args, &globals)),
        Verb::Bench(args) => Box::pin(command::bench::run(args, &globals)),
        Verb::Queue(args) => Box::pin(command::queue::run(args, &globals)),
        Verb::Pause(args) => Box::pin(command::pause::run(args, &globals)),
        Verb::Resume(args) => Box::pin(command::resume::run(args, &globals)),
        Verb::Drain(args) => Box::pin(command::drain::run(args, &globals)),
        Verb::Undrain(args) => Box::pin(command::undrain::run(args, &globals)),
        Verb::Stop(args) => Box::pin(command::stop::run(args, &globals)),
        Verb::Doctor(args) => Box::pin(command::doctor::run(args, &globals)),
        Verb::Config(args) => return command::config::run(args, &globals, settings),
        Verb::Completions(args) => return command::program::print_completions(&args),
        Verb::Man(args) => return command::program::print_manual(&args),
        Verb::CompleteIds(args) => Box::pin(command::complete_ids::run(args, &globals)),
    };
    runtime.block_on(working)
}

/// Tells a person what went wrong; gives what a script is told.
fn report(error: &anyhow::Error) -> Exit {
    if let Some(trouble) = error.downcast_ref::<Trouble>() {
        trouble.tell();
        return trouble.exit;
    }
    let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
    // `swarmctl list | head -1` closes the pipe when it has seen enough.
    if kind == Some(io::ErrorKind::BrokenPipe) {
        return Exit::Done;
    }
    program::terminal::note(format!("error: {error:#}"));
    match kind {
        Some(io::ErrorKind::StorageFull) => Exit::Disk,
        _ => Exit::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_bug_of_ours() {
        assert_eq!(unless_bug(|| panic!("a broken promise")), Exit::Bug);
        assert_eq!(unless_bug(|| Ok(Exit::Done)), Exit::Done);
        let full = io::Error::from(io::ErrorKind::StorageFull);
        assert_eq!(unless_bug(|| Err(full.into())), Exit::Disk);
    }
}
