//! The command lines that messages tell people to type next.

use std::sync::OnceLock;

use swarm_program::settings::Settings;
use swarm_proto::channel::Address;

/// The coordinator of a command line without `--coordinator`: from the environment, a settings file, or the default.
static USUAL: OnceLock<Address> = OnceLock::new();

/// A command line to type next. It has `--coordinator` unless the usual coordinator is meant.
pub fn next(coordinator: &Address, rest: &str) -> String {
    if USUAL.get() == Some(coordinator) {
        format!("swarmctl {rest}")
    } else {
        format!("swarmctl --coordinator {coordinator} {rest}")
    }
}

/// Remembers the usual coordinator, which needs no flag.
pub(crate) fn remember_usual(settings: &Settings) {
    if let Some(usual) = settings.usual("coordinator").and_then(|usual| usual.parse().ok()) {
        // Set once, before any verb runs.
        let _ = USUAL.set(usual);
    }
}
