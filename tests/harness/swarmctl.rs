//! Runs `swarmctl` as a shell would.

use std::{path::Path, process::Command};

use super::program::{Ended, args, command, run};

/// The command line for these words, not started yet.
pub(crate) fn swarmctl_command(address: &str, home: &Path, words: &[&str]) -> Command {
    let mut command = command("swarmctl", home);
    command
        .env("SWARM_COORDINATOR", address)
        .current_dir(home)
        .args(args(words));
    command
}

/// Runs it to its end.
pub(crate) fn swarmctl(address: &str, home: &Path, words: &[&str]) -> Ended {
    run(swarmctl_command(address, home, words))
}
