//! Parked heartbeats, and the events that bring their agents an order.
//!
//! One call is parked for each agent: a newer one ends the older.

use std::collections::BTreeMap;

use swarm_engine::{
    id::AgentId,
    noun::hold::Scope,
    touches::{AttemptChange, Touches},
};
use tokio::sync::oneshot;

/// See the module.
#[derive(Default)]
pub(super) struct Parked {
    calls: BTreeMap<AgentId, oneshot::Sender<()>>,
}

impl Parked {
    /// Parks a heartbeat; the receiver ends when there may be an order for the agent.
    pub(super) fn park(&mut self, agent: AgentId) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        self.calls.insert(agent, sender);
        receiver
    }

    /// Wakes the heartbeats of the agents for which an event may bring an order.
    pub(super) fn wake(&mut self, touched: &Touches<'_>) {
        if let Some(attempt) = touched.attempt {
            match attempt.change {
                AttemptChange::CancelAsked | AttemptChange::Lost => self.wake_one(attempt.agent),
                AttemptChange::Granted
                | AttemptChange::Resumed
                | AttemptChange::Released
                | AttemptChange::Failed
                | AttemptChange::Succeeded
                | AttemptChange::Cancelled => {}
            }
        }
        if let Some(agent) = touched.agent {
            self.wake_one(agent);
        }
        if let Some(hold) = touched.hold {
            match hold.scope {
                Scope::Agent(agent) => self.wake_one(agent),
                Scope::Queue(_) => {}
                Scope::Everything => self.wake_all(),
            }
        }
    }

    fn wake_one(&mut self, agent: &AgentId) {
        if let Some(call) = self.calls.remove(agent) {
            // Its caller may have gone.
            let _ = call.send(());
        }
    }

    fn wake_all(&mut self) {
        for (_, call) in std::mem::take(&mut self.calls) {
            let _ = call.send(());
        }
    }

    /// How many calls are parked.
    pub(super) fn len(&self) -> usize {
        self.calls.values().filter(|call| !call.is_closed()).count()
    }

    /// Forgets the agent's call if its caller has gone.
    pub(super) fn tidy(&mut self, agent: &AgentId) {
        if self.calls.get(agent).is_some_and(oneshot::Sender::is_closed) {
            self.calls.remove(agent);
        }
    }
}
