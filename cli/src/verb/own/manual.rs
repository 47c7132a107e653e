//! `swarmctl man`: the program's manual page, or a page for each verb.

use clap::Command;
use swarm_program::{exit::Exit, manual};

use crate::program::terminal::write_stdout;

pub use swarm_program::manual::Args;

/// Prints the program's page, or writes one for each verb.
///
/// # Errors
///
/// When the directory cannot be written, or stdout is closed.
pub async fn run(args: Args, command: fn() -> Command) -> anyhow::Result<Exit> {
    write_stdout(&manual::run(&command(), &args)?)?;
    Ok(Exit::Done)
}
