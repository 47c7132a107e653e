//! Blame: the party at fault for a program that could not be started.
//!
//! One machine cannot tell whether it lacks the program or the task names a wrong one. A second machine can: until one
//! has failed the task in the same way, the machine is at fault. When no other agent could run the task, nobody will
//! ever tell, and the fault is the task's.

use crate::{
    id::AgentId,
    limits::MAX_AGENTS_VISITED,
    noun::{
        outcome::{Blame, Failure, Outcome},
        task::Task,
    },
    rule::fit::Liveness,
    state::State,
};

/// The party at fault for a failure, and what made it so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The one that the agent reported.
    Reported,
    /// The task, because another machine could not start its program either.
    Everywhere,
    /// The task, because no other agent could run it.
    NowhereElse,
}

impl Fault {
    /// What the reason of the task's end says beside the number of failures; `None` when that says all.
    pub fn addition(self) -> Option<&'static str> {
        match self {
            Fault::Reported => None,
            Fault::Everywhere => Some("two machines could not start its command"),
            Fault::NowhereElse => Some("its command could not be started, and no other agent could run it"),
        }
    }

    /// The party at fault, where the agent blamed this one.
    pub fn blame(self, reported: Blame) -> Blame {
        match self {
            Fault::Reported => reported,
            Fault::Everywhere | Fault::NowhereElse => Blame::Task,
        }
    }
}

impl State {
    /// The party at fault for a failure on this agent.
    pub fn fault(&self, task: &Task, agent: &AgentId, failure: &Failure, liveness: Liveness) -> Fault {
        if failure.blame != Blame::Machine || !failure.is_not_started() {
            Fault::Reported
        } else if not_started_on(task).any(|other| other != agent) {
            Fault::Everywhere
        } else if self.another_could(task, agent, liveness) {
            Fault::Reported
        } else {
            Fault::NowhereElse
        }
    }

    fn another_could(&self, task: &Task, agent: &AgentId, liveness: Liveness) -> bool {
        self.live_agents(liveness)
            .filter(|other| other.id != *agent)
            .take(MAX_AGENTS_VISITED)
            .any(|other| self.could_be_given(task, other, liveness))
    }
}

/// The agents that could not start the program of a task in this round.
pub(super) fn not_started_on(task: &Task) -> impl Iterator<Item = &AgentId> {
    task.attempts.iter().filter_map(|attempt| match &attempt.outcome {
        Outcome::Failed(failure) if attempt.round == task.round && failure.is_not_started() => {
            Some(&attempt.agent)
        }
        _ => None,
    })
}
