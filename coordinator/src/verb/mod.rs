//! What the program does for the operator besides serving: one file per verb.
//!
//! What a verb found goes to stdout, what went wrong to stderr.

mod backup;
mod program;
mod rebuild;
mod repair;
mod restore;
mod verify;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use swarm_settings::{completions, manual};

use crate::{
    config::data_dir,
    failure::{Exit, Failure, chain},
    store::probe::Look,
};

/// See the module.
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
        look: Look,
    },
}

impl Verb {
    /// Carries it out.
    ///
    /// # Errors
    ///
    /// What was found wrong, or why it could not be done.
    pub(crate) fn run(self) -> Result<(), Failure> {
        match self {
            Verb::Verify(verify) => verify.run(),
            Verb::Rebuild(rebuild) => rebuild.run(),
            Verb::Repair(repair) => repair.run(),
            Verb::Backup(backup) => backup.run(),
            Verb::Restore(restore) => restore.run(),
            Verb::Completions(args) => program::print_completions(&args),
            Verb::Man(args) => program::print_manual(&args),
            // Answered before: the one needs to know where settings come from, and what the other says is read by another
            // process.
            Verb::Config(_) | Verb::CheckStore { .. } => Ok(()),
        }
    }
}

/// Whose data.
#[derive(Args, Clone, Debug)]
pub struct Place {
    /// Where the data are [default: $XDG_STATE_HOME/swarm/coordinator].
    #[arg(long, env = "SWARM_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

impl Place {
    fn path(&self) -> Result<PathBuf, Failure> {
        data_dir(self.data_dir.as_deref())
    }
}

impl From<PathBuf> for Place {
    fn from(dir: PathBuf) -> Place {
        Place { data_dir: Some(dir) }
    }
}

/// A failure of the disk in the middle of a verb.
fn disk_failure(error: &dyn std::error::Error) -> Failure {
    let help = "make room on the disk and look at its state, then run it again";
    Failure::new(Exit::Damaged, chain(error), help)
}

#[cfg(test)]
mod tests;
