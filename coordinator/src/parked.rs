//! Parked heartbeats, and the events that bring their agents an order.
//!
//! One call is parked for each agent: a newer one ends the older.

use std::collections::BTreeMap;

use swarm_engine::{event::Fact, id::AgentId, noun::hold::Scope};
use tokio::sync::oneshot;

/// See the module.
#[derive(Default)]
pub(crate) struct Parked {
    calls: BTreeMap<AgentId, oneshot::Sender<()>>,
}

impl Parked {
    /// Parks a heartbeat; the receiver ends when there may be an order for the agent.
    pub(crate) fn park(&mut self, agent: AgentId) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        self.calls.insert(agent, sender);
        receiver
    }

    /// Wakes the heartbeat of the agent that this event concerns.
    pub(crate) fn wake(&mut self, fact: &Fact) {
        let agent = match fact {
            Fact::CancelRequested { agent, .. }
            | Fact::LeaseExpired { agent, .. }
            | Fact::AgentDeregistered { agent } => agent,
            Fact::AgentRegistered(agent) => &agent.id,
            Fact::HoldPlaced(hold) | Fact::HoldLifted { hold, .. } => match &hold.scope {
                Scope::Agent(agent) => agent,
                Scope::Queue(_) => return,
                Scope::Everything => {
                    for (_, call) in std::mem::take(&mut self.calls) {
                        let _ = call.send(());
                    }
                    return;
                }
            },
            _ => return,
        };
        if let Some(call) = self.calls.remove(agent) {
            // Its caller may have gone.
            let _ = call.send(());
        }
    }

    /// How many calls are parked.
    pub(crate) fn len(&self) -> usize {
        self.calls.values().filter(|call| !call.is_closed()).count()
    }

    /// Forgets the agent's call if its caller has gone.
    pub(crate) fn tidy(&mut self, agent: &AgentId) {
        if self.calls.get(agent).is_some_and(oneshot::Sender::is_closed) {
            self.calls.remove(agent);
        }
    }
}
