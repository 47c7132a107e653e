//! Parked heartbeats, and the events that bring their agents an order.

use std::{collections::BTreeMap, time::Duration};

use swarm_engine::{
    command::renew::{self, Directive, Renew},
    event::Fact,
    id::AgentId,
    noun::hold::Scope,
    rejection::Rejection,
};
use tokio::sync::oneshot;

use crate::core::{Answer, Core};

/// See the module. One call is parked for each agent: a newer one ends the older.
#[derive(Default)]
pub(crate) struct Orders {
    parked: BTreeMap<AgentId, oneshot::Sender<()>>,
}

impl Orders {
    /// Parks a heartbeat; the receiver ends when there may be an order for the agent.
    pub(crate) fn park(&mut self, agent: AgentId) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        self.parked.insert(agent, sender);
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
                    for (_, parked) in std::mem::take(&mut self.parked) {
                        let _ = parked.send(());
                    }
                    return;
                }
            },
            _ => return,
        };
        if let Some(parked) = self.parked.remove(agent) {
            // Whoever parked may have gone.
            let _ = parked.send(());
        }
    }

    /// How many calls are parked.
    pub(crate) fn len(&self) -> usize {
        self.parked.values().filter(|parked| !parked.is_closed()).count()
    }

    /// Forgets parked calls whose caller has gone.
    pub(crate) fn tidy(&mut self, agent: &AgentId) {
        if self.parked.get(agent).is_some_and(oneshot::Sender::is_closed) {
            self.parked.remove(agent);
        }
    }
}

impl Core {
    /// Renews leases, and waits up to `wait` for an order when there is none.
    ///
    /// # Errors
    ///
    /// The renewal's rejection; also when the session is replaced while the call is parked.
    pub async fn heartbeat(
        &self,
        request: Renew,
        mut wait: Duration,
    ) -> Result<Answer<Vec<Directive>>, Rejection> {
        let (result, as_of, parked) = {
            let mut inner = self.lock();
            let result = self.decide(&mut inner, |draft| renew::decide(draft, &request));
            let nothing = matches!(&result, Ok(directives) if directives.iter().all(Directive::is_continue));
            // A drained agent gives back what it holds at its deadline.
            let (give_back, now) = (inner.state.gives_back_at(&request.agent), self.clock.now());
            if let Some(at) = give_back.filter(|at| *at > now) {
                wait = wait.min(at - now);
            }
            let parked = (nothing && !wait.is_zero()).then(|| inner.orders.park(request.agent.clone()));
            self.after_decision(&mut inner);
            (result, inner.state.seq(), parked)
        };
        let Some(parked) = parked else {
            self.until_durable(as_of).await;
            return result.map(|value| Answer { value, as_of });
        };
        // An order, the end of the wait, and a newer call all end it; what holds now is the answer.
        let _ = tokio::time::timeout(wait, parked).await;
        let now = self.clock.now();
        let answer = self.read(|state| renew::directives(state, &request, now)).await;
        self.lock().orders.tidy(&request.agent);
        answer.value.map(|value| Answer {
            value,
            as_of: answer.as_of,
        })
    }
}
