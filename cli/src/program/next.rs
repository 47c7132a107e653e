//! The command lines that messages tell people to type next.

use std::sync::OnceLock;

use swarm_proto::channel::Address;
use swarm_settings::Settings;

/// The coordinator that is asked when no flag names one: the environment's, a file's, or the default.
static USUAL: OnceLock<Address> = OnceLock::new();

/// A command line for this coordinator, to be typed next; it is named unless it is the one that is asked anyway.
pub fn next(coordinator: &Address, rest: &str) -> String {
    if USUAL.get() == Some(coordinator) {
        format!("swarmctl {rest}")
    } else {
        format!("swarmctl --coordinator {coordinator} {rest}")
    }
}

/// Keeps in mind which coordinator needs no flag.
pub(crate) fn remember_usual(settings: &Settings) {
    if let Some(usual) = settings.usual("coordinator").and_then(|usual| usual.parse().ok()) {
        // Set once, before any verb.
        let _ = USUAL.set(usual);
    }
}
