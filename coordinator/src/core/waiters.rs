//! Claims that found nothing and wait, in the order of their arrival.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use swarm_engine::{
    command::claim::Claim,
    id::{AgentId, Seq},
    noun::{needs::Offer, task::Task},
    rejection::Rejection,
};
use tokio::sync::oneshot;

use crate::program::limits::{MAX_WAITERS, MAX_WAITERS_PER_AGENT};

/// The answer to a waiting claim, with the last event that it reflects.
pub(super) type Granted = (Result<Vec<Arc<Task>>, Rejection>, Seq);

/// A claim that waits.
pub(super) struct Waiter {
    ticket: u64,
    pub(super) claim: Claim,
    pub(super) reply: oneshot::Sender<Granted>,
}

/// All waiters, by what their agents offer; each line is in the order of arrival.
#[derive(Default)]
pub(super) struct Waiters {
    lines: BTreeMap<Arc<Offer>, VecDeque<Waiter>>,
    /// The same by agent, request id and ticket.
    requests: BTreeMap<(AgentId, Arc<str>, u64), Arc<Offer>>,
    next_ticket: u64,
}

impl Waiters {
    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.requests.len()
    }

    /// Adds a claim, unless too many wait; answers its ticket. An older claim with the same request id makes way: its
    /// caller has lost the connection.
    pub(super) fn enlist(
        &mut self,
        claim: Claim,
        offer: Arc<Offer>,
    ) -> Option<(u64, oneshot::Receiver<Granted>)> {
        let of_agent = (claim.agent.clone(), "".into(), 0)..;
        let of_agent: Vec<_> = self
            .requests
            .range(of_agent)
            .take_while(|((agent, ..), _)| *agent == claim.agent)
            .map(|((_, request_id, ticket), offer)| (request_id.clone(), *ticket, offer.clone()))
            .collect();
        let mut count = of_agent.len();
        for (request_id, ticket, offer) in of_agent {
            if !request_id.is_empty() && request_id == claim.request_id {
                self.leave(&offer, ticket);
                count -= 1;
            }
        }
        if self.requests.len() >= MAX_WAITERS || count >= MAX_WAITERS_PER_AGENT {
            return None;
        }
        let (reply, receiver) = oneshot::channel();
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        let key = (claim.agent.clone(), claim.request_id.clone(), ticket);
        self.requests.insert(key, offer.clone());
        let line = self.lines.entry(offer).or_default();
        line.push_back(Waiter { ticket, claim, reply });
        Some((ticket, receiver))
    }

    /// Takes a waiter out, if it is still there.
    pub(super) fn leave(&mut self, offer: &Offer, ticket: u64) -> Option<Waiter> {
        let line = self.lines.get_mut(offer)?;
        let index = line.binary_search_by_key(&ticket, |waiter| waiter.ticket).ok()?;
        let waiter = line.remove(index)?;
        if line.is_empty() {
            self.lines.remove(offer);
        }
        let Claim {
            agent, request_id, ..
        } = &waiter.claim;
        self.requests.remove(&(agent.clone(), request_id.clone(), ticket));
        Some(waiter)
    }

    /// Takes the oldest waiter out of the lines for which there is something.
    pub(super) fn take_oldest(
        &mut self,
        mut is_served: impl FnMut(&Offer) -> bool,
    ) -> Option<(Arc<Offer>, Waiter)> {
        let served = self.lines.iter().filter(|(offer, _)| is_served(offer));
        let (ticket, offer) = served
            .filter_map(|(offer, line)| Some((line.front()?.ticket, offer)))
            .min()?;
        let offer = offer.clone();
        let waiter = self.leave(&offer, ticket)?;
        Some((offer, waiter))
    }

    /// Puts a waiter that was given nothing back where it was in its line.
    pub(super) fn put_back(&mut self, offer: Arc<Offer>, waiter: Waiter) {
        let Claim {
            agent, request_id, ..
        } = &waiter.claim;
        let key = (agent.clone(), request_id.clone(), waiter.ticket);
        self.requests.insert(key, offer.clone());
        let line = self.lines.entry(offer).or_default();
        let index = line.partition_point(|other| other.ticket < waiter.ticket);
        line.insert(index, waiter);
    }
}
