//! Slowing down: an agent whose machine fails everything is given less.
//!
//! A host with a full disk or a missing tool ends tasks faster than any other host, so it would take them all. Its
//! failures are soft facts: a restart forgets them, and so does the first success.

use std::time::Duration;

use crate::{
    draft::Draft,
    id::AgentId,
    limits::{MAX_SLOWDOWN, SLOWDOWN},
    noun::{
        outcome::{Blame, Failure, Output},
        slow::Slow,
        unstarted::words_of,
    },
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

    /// Notes that an agent could not start what it was given: a soft fact, not an event. Its machine is slowed for what
    /// it is blamed for, unless another machine has said the same in the same words: a list of tasks with one mistake
    /// slows nobody.
    pub fn could_not_start(&mut self, agent: &AgentId, failure: &Failure, output: &Output) {
        let now = self.now();
        let words = words_of(failure, output);
        let told = self.soft_mut().unstarted.told(agent, &words, now).to_vec();
        if told.len() > 1 {
            told.iter().for_each(|agent| self.machine_worked(agent));
        } else if failure.blame == Blame::Machine && self.slowed_until(agent, now).is_none() {
            // The attempts that were under way then are one failure with the first of them: until a second machine is
            // heard, many slots make the pause no longer.
            self.machine_failed(agent);
        }
    }

    /// Notes that the machine of an agent did not fail an attempt: a soft fact, not an event.
    pub fn machine_worked(&mut self, agent: &AgentId) {
        let now = self.now();
        let slow = self.soft_mut().slowed.remove(agent);
        // Its claim may wait for the end of the pause: what is queued is offered to it at once.
        if slow.is_some_and(|slow| slow.until > now) {
            self.open_all();
        }
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
