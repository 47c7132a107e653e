//! What the program says about itself: its completions and its manual.

use std::io::{self, Write as _};

use clap::CommandFactory as _;
use swarm_settings::{completions, manual};

use super::complete_ids;
use crate::{
    args::{PROGRAM, Program},
    exit::Exit,
};

/// Prints the script for a shell.
///
/// # Errors
///
/// When stdout is closed.
pub fn print_completions(args: &completions::Args) -> anyhow::Result<Exit> {
    let command = PROGRAM.command(Program::command());
    print(completions::script(&command, args.shell, Some(complete_ids::VERB))?.as_bytes())
}

/// Prints the program's page, or writes one for each verb.
///
/// # Errors
///
/// When the directory cannot be written, or stdout is closed.
pub fn print_manual(args: &manual::Args) -> anyhow::Result<Exit> {
    print(&manual::run(&PROGRAM.command(Program::command()), args)?)
}

fn print(bytes: &[u8]) -> anyhow::Result<Exit> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes)?;
    stdout.flush()?;
    Ok(Exit::Done)
}
