//! The command line: the verbs besides working, and the flags with the settings below them.

use std::{
    ffi::OsString,
    io::{self, Write as _},
};

use anyhow::Context as _;
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use swarm_program::{
    completions,
    exit::Exit,
    failure::Failure,
    manual,
    settings::{Form, Read, ReadError, Settings},
};

use crate::{
    doctor::{self, Diagnosis},
    program::config::{Config, EXAMPLES},
};

const PROGRAM: swarm_program::settings::Program = swarm_program::settings::Program { name: "agent" };

/// Lends this machine to a Swarm coordinator: claims tasks, runs them, and reports.
#[derive(Debug, Parser)]
#[command(name = "agent", version, before_help = EXAMPLES)]
struct Program {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    config: Config,
}

/// A verb that the program carries out instead of working.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Verb {
    /// Look whether this machine can work for its coordinator, and what mends it if not
    Doctor(Show),
    /// Show every setting with its value and where that comes from
    Config(Show),
    /// Print a script that completes this program's command lines in a shell
    Completions(completions::Args),
    /// Print the manual page, or write a page for each verb into a directory
    Man(manual::Args),
}

/// The form of an answer.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Show {
    /// How to print it
    #[arg(short, long, value_enum, default_value_t = Form::Table, value_name = "FORMAT")]
    output: Form,
}

/// A command line, with the settings below it.
pub(crate) struct CommandLine {
    /// The verb; without one the agent works.
    pub(crate) verb: Option<Verb>,
    /// The settings in force.
    pub(crate) config: Config,
    /// The source of each setting.
    pub(crate) settings: Settings,
}

/// Reads the command line, the environment and the files.
///
/// # Errors
///
/// When help was asked for, or a setting is wrong.
pub(crate) fn read(args: impl IntoIterator<Item = OsString>) -> Result<CommandLine, ReadError> {
    let Read { matches, settings } = PROGRAM.read(command(), args)?;
    let usage = |error: clap::Error| ReadError::Usage(error.format(&mut command()));
    let Program { verb, config } = Program::from_arg_matches(&matches).map_err(usage)?;
    let config = config
        .settled(settings.compare("once", "max_tasks"))
        .map_err(ReadError::Usage)?;
    Ok(CommandLine {
        verb,
        config,
        settings,
    })
}

/// A flag may stand before the verb and after it.
fn command() -> clap::Command {
    Program::command().mut_args(|arg| arg.global(true))
}

/// The same with the names of the environment's variables.
pub(crate) fn command_line() -> clap::Command {
    PROGRAM.command(command())
}

impl Verb {
    /// Carries out the verb.
    ///
    /// # Errors
    ///
    /// Why the verb could not be carried out.
    pub(crate) fn run(self, config: &Config, settings: &Settings) -> Result<Exit, Failure> {
        let whole = command_line();
        let unwritten = |error: io::Error| Failure::new(Exit::Failed, error.to_string());
        match self {
            Verb::Doctor(show) => {
                let diagnosis = diagnose(config).context("cannot start the runtime")?;
                print(diagnosis.report.print(show.output).as_bytes())?;
                return Ok(match (diagnosis.is_reached, diagnosis.report.is_well()) {
                    (false, _) => Exit::Unreachable,
                    (true, false) => Exit::Failed,
                    (true, true) => Exit::Done,
                });
            }
            Verb::Config(show) => print(settings.print(show.output).as_bytes())?,
            Verb::Completions(args) => {
                let script = completions::script(&whole, args.shell, None).map_err(unwritten)?;
                print(script.as_bytes())?;
            }
            Verb::Man(args) => print(&manual::run(&whole, &args, &[])?)?,
        }
        Ok(Exit::Done)
    }
}

fn diagnose(config: &Config) -> io::Result<Diagnosis> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    Ok(runtime.block_on(doctor::diagnose(config)))
}

fn print(bytes: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::new(
            Exit::Failed,
            format!("cannot write to standard output: {error}"),
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command_line().debug_assert();
        let help = command().render_help().to_string();
        assert!(help.starts_with("Examples:\n  agent "), "{help}");
    }
}
