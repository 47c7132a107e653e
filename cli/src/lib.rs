//! The submitter's and operator's program: everything about `swarmctl` but its one-line `main`.
//!
//! A verb is a file in `verb/`, `bench/` or `dev/`. It asks through `call/`, prints
//! through `output/`, and ends with an `Exit` or a `Failure`.

pub mod args;

mod bench;
mod dev;
mod verb;

mod call;

mod exchange;
// For fuzzing; no promise to anybody else.
#[doc(hidden)]
pub use exchange::read_in_every_format;
pub mod jobfile;
mod output;

pub mod program;

use std::{
    ffi::OsString,
    io,
    panic::{self, AssertUnwindSafe, PanicHookInfo},
    process::ExitCode,
};

use anyhow::Context as _;
use clap::FromArgMatches as _;
use swarm_program::{
    exit::Exit,
    failure::Failure,
    settings::{Read, ReadError, Settings},
};

use args::{Given, Program};
use program::{PROGRAM, globals::json_among};

/// Runs `swarmctl` with these arguments, the first of which is the program's name.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    if let Some(program) = args.first().and_then(|name| dev::child(name)) {
        return program(args);
    }
    let (program, settings) = match parse(&args) {
        Ok(parsed) => parsed,
        Err(error) => return not_carried_out(error, &args).into(),
    };
    program::terminal::speak_as(program.globals.format());
    panic::set_hook(Box::new(tell_bug));
    program::next::remember_usual(&settings);
    settings.notes().iter().for_each(program::terminal::note);
    unless_bug(|| run(program, &settings)).into()
}

/// The whole command line: every verb with its flags, and the examples of their help.
pub fn command_line() -> clap::Command {
    PROGRAM.command(args::command())
}

/// Reads the command line, the environment and the settings files.
fn parse(args: &[OsString]) -> Result<(Program, Settings), ReadError> {
    let Read { matches, settings } = PROGRAM.read(args::command(), args)?;
    let mut command = command_line();
    command.build();
    let mut program = program::empty::check(&mut command, &matches)
        .and_then(|()| Program::from_arg_matches(&matches))
        .map_err(|error| ReadError::Usage(error.format(&mut command)))?;
    program.globals.retry_for_is_given = settings.is_given("retry_for");
    Ok((program, settings))
}

/// Tells why a command line is not carried out, or the help that was asked for.
fn not_carried_out(error: ReadError, args: &[OsString]) -> Exit {
    json_among(args).into_iter().for_each(program::terminal::speak_as);
    let failure = match error {
        ReadError::Settings(failure) => failure,
        ReadError::Usage(error) => {
            let error = verb::own::tips::improved(error, PROGRAM.command(args::command()), args);
            if !error.use_stderr() || !program::terminal::speaks_json() {
                // Help goes to stdout, everything else to stderr; a closed one cannot be told about.
                let _ = error.print();
                return if error.use_stderr() {
                    Exit::Usage
                } else {
                    Exit::Done
                };
            }
            program::failure::of_usage(&error)
        }
    };
    program::failure::tell(&failure);
    failure.exit
}

/// The result of the work; a panic has its own exit code.
fn unless_bug(work: impl FnOnce() -> anyhow::Result<Exit>) -> Exit {
    // After a panic the program ends, so nothing half done is used again.
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
    let sentence = format!("swarmctl had to stop because of a bug of ours: {what}{place}");
    let failure = Failure::new(Exit::Bug, sentence);
    program::failure::tell(&failure.help("please report it, with the command line and these lines"));
}

fn run(program: Program, settings: &Settings) -> anyhow::Result<Exit> {
    let Program { globals, verb } = program;
    globals.check()?;
    // One thread: `dev` sends a signal to a child knowing that it is not reaped meanwhile.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(verb.run(Given {
        globals: &globals,
        settings,
        command: command_line,
    }))
}

/// Tells a person what went wrong; returns the exit code for scripts.
fn report(error: &anyhow::Error) -> Exit {
    if let Some(failure) = error.downcast_ref::<Failure>() {
        program::failure::tell(failure);
        return failure.exit;
    }
    let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
    // `swarmctl list | head -1` closes the pipe after one line.
    if kind == Some(io::ErrorKind::BrokenPipe) {
        return Exit::Done;
    }
    let exit = match kind {
        Some(io::ErrorKind::StorageFull) => Exit::Disk,
        _ => Exit::Failed,
    };
    program::failure::tell(&Failure::new(exit, format!("{error:#}")));
    exit
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
