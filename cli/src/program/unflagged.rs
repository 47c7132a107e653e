//! The flags of a verb that nobody typed: `swarmctl job` lists as `swarmctl job list` does.

use clap::{Args, Command};

/// What was typed, or else the list without flags.
///
/// # Errors
///
/// When one of its flags has to be given.
pub(crate) fn or_list<V, A: Args>(typed: Option<V>, list: fn(A) -> V) -> Result<V, clap::Error> {
    typed.map_or_else(|| unflagged().map(list), Ok)
}

/// The flags at their defaults.
fn unflagged<A: Args>() -> Result<A, clap::Error> {
    let command = A::augment_args(Command::new("unflagged").no_binary_name(true));
    A::from_arg_matches(&command.try_get_matches_from([""; 0])?)
}
