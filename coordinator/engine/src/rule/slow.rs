//! Slowing down: an agent whose machine fails everything is given less.
//!
//! A host with a full disk or a missing tool ends tasks faster than any other host, so it would take them all. Its
//! failures are soft facts: a restart forgets them, and so does the first success.

use std::time::Duration;

use crate::{
    draft::Draft,
    id::AgentId,
    limits::{MAX_SLOWDOWN, SLOWDOWN},
    noun::slow::Slow,
    state::State,
    time::Timestamp,
};

impl State {
    /// The time until which an agent is given nothing because of its machine; `None` when it may claim now.
    pub fn slowed_until(&self, agent: &AgentId, now: Timestamp) -> Option<Timestamp> {
        let slow = self.soft.slowed.get(agent)?;
        (slow.until > now).then_some(slow.until)
    }
}

impl Draft<'_> {
    /// Notes that the machine of an agent failed an attempt: a soft fact, not an event.
    pub fn machine_failed(&mut self, agent: &AgentId) {
        let failures = self.soft.slowed.get(agent).map_or(0, |slow| slow.failures) + 1;
        let until = self.now() + slowdown(failures);
        let slow = Slow { failures, until };
        self.soft_mut().slowed.insert(agent.clone(), slow);
    }

    /// Notes that the machine of an agent did not fail an attempt: a soft fact, not an event.
    pub fn machine_worked(&mut self, agent: &AgentId) {
        self.soft_mut().slowed.remove(agent);
    }
}

fn slowdown(failures: u32) -> Duration {
    let factor = 1_u32.checked_shl(failures).unwrap_or(u32::MAX);
    SLOWDOWN.saturating_mul(factor).min(MAX_SLOWDOWN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_up_to_its_limit() {
        let seconds = |failures| slowdown(failures).as_secs();
        assert_eq!(
            [1, 2, 3, 5, 6, 40, u32::MAX].map(seconds),
            [10, 20, 40, 160, 300, 300, 300]
        );
    }
}
