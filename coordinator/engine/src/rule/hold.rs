//! Holds on an agent: which one applies, and when the agent must give back its attempts.

use std::sync::Arc;

use crate::{
    id::AgentId,
    noun::hold::{Hold, HoldKind, Scope},
    state::State,
    time::Timestamp,
};

impl State {
    /// The stricter of the holds on everything and on an agent.
    pub fn hold_on(&self, agent: &AgentId) -> Option<&Arc<Hold>> {
        let everything = self.hold(&Scope::Everything);
        let own = self.hold(&Scope::Agent(agent.clone()));
        match (everything, own) {
            (Some(everything), Some(own)) if own.kind > everything.kind => Some(own),
            (Some(everything), _) => Some(everything),
            (None, own) => own,
        }
    }

    /// The time at which an agent must give back all its attempts; `None` when it need not.
    pub fn gives_back_at(&self, agent: &AgentId) -> Option<Timestamp> {
        let stop = self
            .hold(&Scope::Everything)
            .filter(|hold| hold.kind == HoldKind::Stop)
            .map(|hold| self.since_set_back(hold.placed, hold.placed));
        let drained = self
            .hold(&Scope::Agent(agent.clone()))
            .and_then(|hold| match hold.kind {
                HoldKind::Drain { deadline } => {
                    deadline.map(|deadline| self.since_set_back(hold.placed, deadline))
                }
                HoldKind::Pause | HoldKind::Stop => None,
            });
        stop.into_iter().chain(drained).min()
    }

    /// The deadline of a hold; when the time was set back since to before the hold, it is counted from that start.
    fn since_set_back(&self, placed: Timestamp, deadline: Timestamp) -> Timestamp {
        match self.identity().map(|identity| identity.started) {
            Some(started) if self.time < placed => started + (deadline - placed),
            _ => deadline,
        }
    }
}
