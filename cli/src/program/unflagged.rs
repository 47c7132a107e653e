//! The flags of a verb that nobody typed: `swarmctl job` lists as `swarmctl job list` does.

use clap::{Args, Command};

/// The flags at their defaults.
///
/// # Errors
///
/// When one of them has to be given.
pub(crate) fn unflagged<A: Args>() -> Result<A, clap::Error> {
    let command = A::augment_args(Command::new("unflagged").no_binary_name(true));
    A::from_arg_matches(&command.try_get_matches_from([""; 0])?)
}
