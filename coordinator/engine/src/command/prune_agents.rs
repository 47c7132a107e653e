//! Agents of which nobody has heard for long are removed.

use crate::{
    draft::Draft,
    event::Fact,
    id::AgentId,
    limits::PRUNE_STEP,
    noun::{agent::Agent, hold::Scope},
    state::State,
    time::Timestamp,
};

/// Agents to remove.
#[derive(Clone, Debug)]
pub struct PruneAgents {
    /// The agents.
    pub agents: Vec<AgentId>,
    /// The latest time at which an agent to remove may have been heard of.
    pub heard_by: Timestamp,
    /// The start of the coordinator: an agent that has not called since may have called until then.
    pub started: Timestamp,
}

/// Removes the agents of which nobody has heard since and that nothing rests on. Answers the number of removed agents,
/// at most [`PRUNE_STEP`].
pub fn decide(draft: &mut Draft<'_>, request: &PruneAgents) -> usize {
    let mut removed = 0;
    for id in request.agents.iter().take(PRUNE_STEP) {
        let known = draft.agent(id).cloned();
        if known.is_some_and(|agent| draft.may_remove(&agent, request.heard_by, request.started)) {
            removed += 1;
            draft.emit(Fact::AgentRemoved { agent: id.clone() });
        }
    }
    removed
}

impl State {
    /// Whether nobody has heard of the agent since, it has no leases, and no person holds it: a drained machine that is
    /// away for long is still drained when it comes back.
    pub fn may_remove(&self, agent: &Agent, heard_by: Timestamp, started: Timestamp) -> bool {
        let heard = match self.soft.presences.get(&agent.id) {
            _ if agent.gone => agent.changed,
            Some(presence) => presence.seen,
            None => agent.changed.max(started),
        };
        heard <= heard_by
            && self.leased_to(&agent.id).next().is_none()
            && self.hold(&Scope::Agent(agent.id.clone())).is_none()
    }
}
