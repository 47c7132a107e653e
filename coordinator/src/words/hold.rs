//! Holds in words, and what lifts them.

use swarm_engine::noun::hold::{Hold, HoldKind, Scope};

/// A hold in words: `queue nightly was paused by ann@laptop (maintenance)`.
pub(crate) fn describe_hold(hold: &Hold) -> String {
    format!("{} {}", hold.scope, done_by(hold))
}

/// The same without what is held: `was paused by ann (the disk is full)`.
pub(crate) fn done_by(hold: &Hold) -> String {
    let done = match hold.kind {
        HoldKind::Pause => "paused",
        HoldKind::Drain { .. } => "drained",
        HoldKind::Stop => "stopped",
    };
    let mut text = format!("was {done}");
    if !hold.actor.is_empty() {
        text += &format!(" by {}", hold.actor);
    }
    if !hold.reason.is_empty() {
        text += &format!(" ({})", hold.reason);
    }
    text
}

/// The command that lifts a hold.
pub(crate) fn lifting_command(hold: &Hold) -> String {
    match (&hold.scope, hold.kind) {
        (Scope::Everything, _) => "swarmctl resume".to_owned(),
        (Scope::Queue(queue), _) => format!("swarmctl resume --queue {queue}"),
        (Scope::Agent(agent), HoldKind::Drain { .. }) => format!("swarmctl undrain {agent}"),
        (Scope::Agent(agent), _) => format!("swarmctl resume --agent {agent}"),
    }
}
