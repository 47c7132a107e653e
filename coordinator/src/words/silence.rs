//! How long the agent of a running task has been silent, with the end of that.

use std::time::Duration;

use swarm_engine::rule::explain::Silence;

use crate::wire::time::describe;

/// The silence in words.
pub(crate) fn in_words(silence: Silence) -> String {
    let [lasted, rest] =
        [silence.lasted, silence.rest].map(|time| describe(Duration::from_secs(time.as_secs())));
    format!("the agent has been silent for {lasted}, and the task is given to others in {rest}")
}
