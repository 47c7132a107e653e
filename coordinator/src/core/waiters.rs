//! Claims that found nothing and wait, in the order of their arrival.
//!
//! Claims with the same offer wait in one line. A task that becomes claimable looks only at lines for its queue and at
//! those for all queues, oldest claim first, and ends at the first line that it suits.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use swarm_engine::{
    command::claim::Claim,
    id::{AgentId, QueueName, Seq},
    limits::MAX_CLASSES,
    noun::{
        needs::{Buckets, Class, Offer},
        rules::Rules,
        task::Task,
    },
    rejection::Rejection,
};
use tokio::sync::oneshot;

use crate::program::limits::{MAX_WAITERS, MAX_WAITERS_BYTES, MAX_WAITERS_PER_AGENT};

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
    /// The lines by the queues that they are for, and by their first tickets; those for all queues under `None`.
    firsts: BTreeMap<Option<QueueName>, BTreeMap<u64, Arc<Offer>>>,
    /// The waiters by agent, request id and ticket.
    requests: BTreeMap<(AgentId, Arc<str>, u64), Arc<Offer>>,
    /// Classes that no line suits: looking at each line again would be in vain.
    unsuited: BTreeSet<Class>,
    /// Bytes of the queues and tokens of all claims.
    bytes: usize,
    next_ticket: u64,
}

/// Whether classes have a task for offers with these rules and buckets, as far as it was asked since the last change.
/// Agents with the same rules are many, and each has a line of its own.
#[derive(Default)]
pub(super) struct Asked(BTreeMap<Class, BTreeMap<(Rules, Buckets), bool>>);

impl Asked {
    /// The answer that is known, or the one that is given now.
    pub(super) fn once(&mut self, class: &Class, offer: &Offer, ask: impl FnOnce() -> bool) -> bool {
        let key = (offer.rules.clone(), offer.buckets);
        if let Some(answers) = self.0.get_mut(class) {
            return *answers.entry(key).or_insert_with(ask);
        }
        let answer = ask();
        self.0.insert(class.clone(), [(key, answer)].into());
        answer
    }
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
        let is_full = self.requests.len() >= MAX_WAITERS || self.bytes >= MAX_WAITERS_BYTES;
        if is_full || count >= MAX_WAITERS_PER_AGENT {
            return None;
        }
        let (reply, receiver) = oneshot::channel();
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.put(offer, Waiter { ticket, claim, reply });
        Some((ticket, receiver))
    }

    /// Takes a waiter out, if it is still there.
    pub(super) fn leave(&mut self, offer: &Arc<Offer>, ticket: u64) -> Option<Waiter> {
        let line = self.lines.get_mut(offer)?;
        let index = line.binary_search_by_key(&ticket, |waiter| waiter.ticket).ok()?;
        let waiter = line.remove(index)?;
        let next = line.front().map(|waiter| waiter.ticket);
        if next.is_none() {
            self.lines.remove(offer);
        }
        if index == 0 {
            self.move_first(offer, Some(ticket), next);
        }
        let Claim {
            agent, request_id, ..
        } = &waiter.claim;
        self.requests.remove(&(agent.clone(), request_id.clone(), ticket));
        self.bytes -= bytes_of(&waiter.claim);
        Some(waiter)
    }

    /// The ticket and offer of the oldest waiter whose offer suits the class and has a task of it. A class that no line
    /// suits is remembered until another line comes: it may be asked for each time that a task of its queue ends.
    pub(super) fn oldest_suited(
        &mut self,
        class: &Class,
        mut has_task: impl FnMut(&Offer) -> bool,
    ) -> Option<(u64, Arc<Offer>)> {
        if self.unsuited.contains(class) {
            return None;
        }
        let mut is_suited = false;
        let oldest = self.oldest(&class.queue, |offer| {
            let suits = offer.suits(class);
            is_suited |= suits;
            suits && has_task(offer)
        });
        if !is_suited {
            if self.unsuited.len() >= MAX_CLASSES {
                // Most of these are of tasks that are gone.
                self.unsuited.clear();
            }
            self.unsuited.insert(class.clone());
        }
        oldest
    }

    /// The ticket and offer of the oldest waiter for tasks of this queue whose offer is taken.
    fn oldest(
        &self,
        queue: &QueueName,
        mut is_taken: impl FnMut(&Offer) -> bool,
    ) -> Option<(u64, Arc<Offer>)> {
        let mut of_queue = self.lines_of(Some(queue.clone())).peekable();
        let mut of_all = self.lines_of(None).peekable();
        loop {
            let is_older = match (of_queue.peek(), of_all.peek()) {
                (Some((one, _)), Some((other, _))) => one < other,
                (one, _) => one.is_some(),
            };
            let next = if is_older { of_queue.next() } else { of_all.next() };
            let (ticket, offer) = next?;
            if is_taken(offer) {
                return Some((*ticket, offer.clone()));
            }
        }
    }

    /// Puts a waiter that was given nothing back where it was in its line.
    pub(super) fn put_back(&mut self, offer: Arc<Offer>, waiter: Waiter) {
        self.put(offer, waiter);
    }

    fn lines_of(&self, queue: Option<QueueName>) -> impl Iterator<Item = (&u64, &Arc<Offer>)> {
        self.firsts.get(&queue).into_iter().flatten()
    }

    fn put(&mut self, offer: Arc<Offer>, waiter: Waiter) {
        let (ticket, claim) = (waiter.ticket, &waiter.claim);
        let key = (claim.agent.clone(), claim.request_id.clone(), ticket);
        self.requests.insert(key, offer.clone());
        self.bytes += bytes_of(claim);
        if !self.lines.contains_key(&offer) {
            self.unsuited.retain(|class| !offer.suits(class));
        }
        let line = self.lines.entry(offer.clone()).or_default();
        let index = line.partition_point(|other| other.ticket < ticket);
        let before = line.front().map(|first| first.ticket);
        line.insert(index, waiter);
        if index == 0 {
            self.move_first(&offer, before, Some(ticket));
        }
    }

    /// Notes that another waiter is the first of a line.
    fn move_first(&mut self, offer: &Arc<Offer>, before: Option<u64>, after: Option<u64>) {
        let all = offer.queues.is_empty().then_some(None);
        let named = offer.queues.iter().cloned().map(Some);
        for queue in all.into_iter().chain(named) {
            let lines = self.firsts.entry(queue.clone()).or_default();
            if let Some(ticket) = before {
                lines.remove(&ticket);
            }
            if let Some(ticket) = after {
                lines.insert(ticket, offer.clone());
            }
            if lines.is_empty() {
                self.firsts.remove(&queue);
            }
        }
    }
}

/// Bytes that a claim takes while it waits beyond those of any claim.
fn bytes_of(claim: &Claim) -> usize {
    let queues = claim.wants.queues.iter().map(|queue| queue.as_str().len());
    queues.sum::<usize>() + size_of_val(claim.tokens.as_slice())
}

#[cfg(test)]
mod tests;
