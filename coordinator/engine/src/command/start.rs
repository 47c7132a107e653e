//! A coordinator opens its journal.

use std::sync::Arc;

use crate::{draft::Draft, event::Fact, rejection::Rejection};

/// The coordinator's start.
#[derive(Clone, Debug)]
pub struct Start {
    /// The version of its program.
    pub version: Arc<str>,
    /// Identifies these data for ever; used when they are new.
    pub cluster_id: Arc<str>,
    /// Identifies the sequence of events; used when the data are new.
    pub history: Arc<str>,
    /// The history from now on, when events were lost that somebody may have seen.
    pub new_history: Option<Arc<str>>,
}

/// Begins another epoch.
///
/// # Errors
///
/// None; the type is that of every decision.
pub fn decide(draft: &mut Draft<'_>, request: Start) -> Result<(), Rejection> {
    let (epoch, cluster_id, history) = match draft.identity() {
        Some(identity) => (
            identity.epoch + 1,
            identity.cluster_id.clone(),
            request.new_history.unwrap_or_else(|| identity.history.clone()),
        ),
        None => (1, request.cluster_id, request.history),
    };
    draft.emit(Fact::CoordinatorStarted {
        epoch,
        version: request.version,
        cluster_id,
        history,
    });
    Ok(())
}
