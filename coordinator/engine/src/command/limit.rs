//! Somebody limits the running tasks of a queue.

use std::sync::Arc;

use crate::{draft::Draft, event::Fact, id::QueueName, rejection::Rejection};

/// A limit to set.
#[derive(Clone, Debug)]
pub struct Limit {
    /// The queue.
    pub queue: QueueName,
    /// The number of tasks that may run at a time, at least one; `None` for no limit.
    pub max_running: Option<u32>,
    /// The person who asks.
    pub actor: Arc<str>,
}

/// Sets the limit. Running tasks go on. A repeat changes nothing.
///
/// # Errors
///
/// [`Rejection::Full`] for a queue without tasks when there are too many holds and limits.
pub fn decide(draft: &mut Draft<'_>, request: Limit) -> Result<(), Rejection> {
    let now = draft.queue_limit(&request.queue).map(|limit| limit.max_running);
    if now.is_none() && request.max_running.is_some() {
        draft.check_new_rule(&request.queue)?;
    }
    if now != request.max_running {
        draft.emit(Fact::QueueLimited {
            queue: request.queue,
            max_running: request.max_running,
            actor: request.actor,
        });
    }
    Ok(())
}
