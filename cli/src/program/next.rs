//! The command lines that messages tell people to type next.

use std::sync::OnceLock;

use swarm_program::settings::Settings;
use swarm_proto::channel::Address;

/// The coordinator of a command line without `--coordinator`: from the environment, a settings file, or the default.
static USUAL: OnceLock<Address> = OnceLock::new();

/// A command line to type next. It has `--coordinator` unless the usual coordinator is meant.
pub fn next(coordinator: &Address, rest: &str) -> String {
    of_program("swarmctl", coordinator, rest)
}

/// The same for a program that is typed otherwise.
pub(crate) fn of_program(program: &str, coordinator: &Address, rest: &str) -> String {
    format!("{program}{} {rest}", flag(coordinator))
}

/// The flag that names the coordinator, with a space before it; nothing for the usual one.
pub(crate) fn flag(coordinator: &Address) -> String {
    if USUAL.get() == Some(coordinator) {
        String::new()
    } else {
        format!(" --coordinator {coordinator}")
    }
}

/// Remembers the usual coordinator, which needs no flag.
pub(crate) fn remember_usual(settings: &Settings) {
    if let Some(usual) = settings.usual("coordinator").and_then(|usual| usual.parse().ok()) {
        // Set once, before any verb runs.
        let _ = USUAL.set(usual);
    }
}
