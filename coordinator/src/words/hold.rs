//! Holds in words.

use swarm_engine::noun::hold::{Hold, HoldKind};

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
