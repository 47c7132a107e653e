//! Slowing down: an agent whose machine fails everything is given less.
//!
//! A host with a full disk or a missing tool ends tasks faster than any other host, so it would take them all. Its
//! failures are soft facts: a restart forgets them. The first success ends its pause, and not what is known to be
//! missing there.

use std::{collections::BTreeSet, time::Duration};

use crate::{
    draft::Draft,
    id::AgentId,
    limits::{MAX_SLOWDOWN, SLOWDOWN},
    noun::{
        outcome::{Failure, Output},
        slow::Slow,
        task::Task,
        unstarted::words_of,
    },
    rule::blame::{Fault, not_started_on},
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
        self.slow_down(agent, false);
    }

    /// Notes that an agent could not start what it was given, and blamed its machine: a soft fact, not an event. The
    /// machine is slowed, unless another one could not start this task either, or has said the same in the same words:
    /// a list of tasks with one mistake slows nobody. A machine that lacks what others had is a witness of this task
    /// alone, and no witness helps it.
    pub fn could_not_start(
        &mut self,
        task: &Task,
        agent: &AgentId,
        failure: &Failure,
        output: &Output,
        fault: Fault,
    ) {
        let now = self.now();
        let words = words_of(failure, output);
        let told = self.soft_mut().unstarted.told(agent, &words, now).to_vec();
        let unstarted = &self.soft.unstarted;
        let witnesses: BTreeSet<AgentId> = not_started_on(task)
            .filter(|other| !unstarted.is_lacking(other, now))
            .cloned()
            .chain(told)
            .filter(|other| other != agent)
            .collect();
        let is_lacking = unstarted.is_lacking(agent, now);
        let is_the_tasks = fault == Fault::Everywhere || !witnesses.is_empty();
        if fault == Fault::NowhereElse || !is_lacking && is_the_tasks {
            self.clear_of_starts(agent);
            witnesses.iter().for_each(|other| self.clear_of_starts(other));
        } else if self.slowed_until(agent, now).is_none() {
            // The attempts that were under way then are one failure with the first of them: until a second machine is
            // heard, many slots make the pause no longer.
            self.slow_down(agent, true);
        }
    }

    /// Notes that an agent did what others could not start: their machines lack something. A soft fact, not an event.
    pub fn started_elsewhere(&mut self, task: &Task, agent: &AgentId) {
        let now = self.now();
        for other in not_started_on(task).filter(|other| *other != agent) {
            self.soft_mut().unstarted.lacks(other, now);
        }
    }

    fn slow_down(&mut self, agent: &AgentId, is_for_starts: bool) {
        let before = self.soft.slowed.get(agent);
        let failures = before.map_or(0, |slow| slow.failures) + 1;
        let slow = Slow {
            failures,
            until: self.now() + slowdown(failures),
            is_for_starts: is_for_starts && before.is_none_or(|slow| slow.is_for_starts),
        };
        self.soft_mut().slowed.insert(agent.clone(), slow);
    }

    /// Ends the pause of a machine that was at fault for nothing else than commands that could not be started.
    fn clear_of_starts(&mut self, agent: &AgentId) {
        if self.soft.slowed.get(agent).is_some_and(|slow| slow.is_for_starts) {
            self.machine_worked(agent);
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
