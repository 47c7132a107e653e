//! A coordinator opens its journal.

use std::sync::Arc;

use crate::{
    draft::Draft,
    event::{Fact, Subject},
    id::Number,
    limits::EXPIRE_STEP,
    rejection::Rejection,
    time::{Clocks, Timestamp},
};

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
    /// The machine's clocks.
    pub clocks: Clocks,
    /// The time at which to go on, earlier than the last event; set by an operator after a wrong clock was believed.
    pub set_back_to: Option<Timestamp>,
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
    if let Some(time) = request.set_back_to {
        draft.set_back(time);
    }
    draft.emit(Fact::CoordinatorStarted {
        epoch,
        version: request.version,
        cluster_id,
        history,
        clocks: Some(request.clocks),
        sets_time_back: request.set_back_to.is_some(),
    });
    Ok(())
}

/// After a start that set the time back, makes tasks due that wait to be tried again: their times are of the clock that
/// was wrong. A bounded step; answers whether there may be more.
///
/// # Errors
///
/// None; the type is that of every decision.
pub fn make_due(draft: &mut Draft<'_>) -> Result<bool, Rejection> {
    let waiting: Vec<Number> = draft
        .derived
        .due
        .iter()
        .take(EXPIRE_STEP)
        .map(|(_, number)| *number)
        .collect();
    for number in &waiting {
        let task = Subject::of(&draft.tasks[number]);
        draft.emit(Fact::TaskDue { task });
    }
    Ok(waiting.len() == EXPIRE_STEP)
}
