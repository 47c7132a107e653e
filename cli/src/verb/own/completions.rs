//! `swarmctl completions`: a script that completes command lines in a shell.

use clap::Command;
use swarm_program::{completions, exit::Exit};

use super::complete_ids;
use crate::program::terminal::write_stdout;

pub use swarm_program::completions::Args;

pub(crate) const EXAMPLES: &str = "\
Examples:
  source <(swarmctl completions bash)          in this shell; in ~/.bashrc for every one
  swarmctl completions zsh | tee ~/.zfunc/_swarmctl
  swarmctl completions fish | source";

/// Prints the script for a shell.
///
/// # Errors
///
/// When stdout is closed.
pub async fn run(args: Args, command: fn() -> Command) -> anyhow::Result<Exit> {
    let script = completions::script(&command(), args.shell, Some(complete_ids::VERB))?;
    write_stdout(script.as_bytes())?;
    Ok(Exit::Done)
}
