//! The command line: serving, or one of the verbs, each of which has a file.
//!
//! A verb's findings go to stdout, its failure to stderr.

mod backup;
mod data;
mod finding;
mod program;
mod rebuild;
mod repair;
mod restore;
mod verify;

use std::path::PathBuf;

use clap::{CommandFactory as _, Parser, Subcommand};
use swarm_program::{completions, failure::Failure, manual};

use crate::{program::config::Config, store::probe::Depth};

const EXAMPLES: &str = "\
Examples:
  coordinator                                      serve this machine
  coordinator --data-dir /var/lib/swarm            keep the data elsewhere
  coordinator --listen 0.0.0.0:50051 --insecure    serve a trusted network, unencrypted";

const SIGNALS: &str = "\
Signals:
  SIGTERM, SIGINT  stop in order; agents go on, and report when a coordinator is there again
  SIGUSR1          emergency: end everything that runs on every agent, as `swarmctl stop` does, and serve on";

/// The program by its name.
pub(crate) const PROGRAM: swarm_program::settings::Program =
    swarm_program::settings::Program { name: "coordinator" };

/// Keeps tasks durably and hands them to agents.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "coordinator",
    version,
    before_help = EXAMPLES,
    after_help = SIGNALS,
    args_conflicts_with_subcommands = true
)]
pub struct Program {
    /// What to do instead of serving.
    #[command(subcommand)]
    pub verb: Option<Verb>,
    /// How to serve.
    #[command(flatten)]
    pub config: Config,
}

/// Something that the program does instead of serving.
#[derive(Clone, Debug, Subcommand)]
pub enum Verb {
    /// Check that journal, snapshots and store are whole and say the same; change nothing.
    Verify(verify::Verify),
    /// Set the store aside and build it anew from snapshot and journal.
    Rebuild(rebuild::Rebuild),
    /// Go on without what a damaged or missing part of the journal held.
    Repair(repair::Repair),
    /// Copy the data, also while the coordinator runs.
    Backup(backup::Backup),
    /// Lay out a backup in an empty data directory.
    Restore(restore::Restore),
    /// Show every setting with its value and where that comes from.
    Config(program::ShowConfig),
    /// Print a script that completes this program's command lines in a shell.
    Completions(completions::Args),
    /// Print the manual page, or write a page for each verb into a directory.
    Man(manual::Args),
    /// Reads a store, because its files may be damaged so that reading never ends.
    #[command(name = crate::store::probe::VERB, hide = true)]
    CheckStore {
        /// The store's directory.
        dir: PathBuf,
        /// How much of it to read.
        depth: Depth,
    },
}

/// Every verb with its flags and their variables.
pub(crate) fn command_line() -> clap::Command {
    PROGRAM.command(Program::command())
}

impl Verb {
    /// Carries it out.
    ///
    /// # Errors
    ///
    /// The damage that was found, or why the verb could not be carried out.
    pub(crate) fn run(self) -> Result<(), Failure> {
        match self {
            Verb::Verify(verify) => verify.run(),
            Verb::Rebuild(rebuild) => rebuild.run(),
            Verb::Repair(repair) => repair.run(),
            Verb::Backup(backup) => backup.run(),
            Verb::Restore(restore) => restore.run(),
            Verb::Completions(args) => program::print_completions(&command_line(), &args),
            Verb::Man(args) => program::print_manual(&command_line(), &args),
            // `main` has carried these out: the one needs to know where settings come from, and another process
            // reads the output of the other.
            Verb::Config(_) | Verb::CheckStore { .. } => Ok(()),
        }
    }
}

mod backup_note;
#[cfg(test)]
mod tests;
