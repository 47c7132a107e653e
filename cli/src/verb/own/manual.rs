//! `swarmctl man`: the page of the program, of a verb or of the job file, or all pages.

use clap::Command;
use swarm_program::{
    exit::Exit,
    manual::{self, Topic},
};

use super::help;
use crate::{jobfile::reference, program::terminal::write_stdout};

pub use swarm_program::manual::Args;

pub(crate) const EXAMPLES: &str = "\
Examples:
  swarmctl man | man -l -                      the program's page
  swarmctl man submit | man -l -               that of a verb
  swarmctl man ~/.local/share/man/man1         all of them, for man swarmctl-submit";

/// Prints a page, or writes all pages into a directory.
///
/// # Errors
///
/// When the directory cannot be written, or stdout is closed.
pub async fn run(args: Args, command: fn() -> Command) -> anyhow::Result<Exit> {
    let job_file = Topic {
        word: help::JOB_FILE,
        file: reference::FILE_NAME,
        page: reference::page()?,
    };
    write_stdout(&manual::run(&command(), &args, &[job_file])?)?;
    Ok(Exit::Done)
}
