//! Long polls: claims that found nothing and wait, in order.
//!
//! A claim is enlisted in the same locked section in which it found nothing.
//! Whatever makes tasks claimable grants them to the oldest waiters that would
//! take them, under the lock: no wake-up is lost, and nobody is woken for nothing.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use swarm_engine::{
    command::claim::{self, Claim},
    id::{AgentId, QueueName, Seq},
    noun::{hold::Scope, needs::Offer, task::Task},
    rejection::Rejection,
    rule::fit::Look,
    time::Timestamp,
};
use tokio::sync::oneshot;

use crate::{
    core::{Answer, Core, Inner},
    limits::{MAX_WAITERS, MAX_WAITERS_PER_AGENT, SHARDS_WAIT},
};

type Granted = (Result<Vec<Arc<Task>>, Rejection>, Seq);

struct Waiter {
    place: u64,
    claim: Claim,
    reply: oneshot::Sender<Granted>,
}

/// Who waits, by what they offer; each line is in the order of arrival.
#[derive(Default)]
pub(crate) struct Waiters {
    lines: BTreeMap<Arc<Offer>, VecDeque<Waiter>>,
    /// The same by agent, request id and place.
    requests: BTreeMap<(AgentId, Arc<str>, u64), Arc<Offer>>,
    next_place: u64,
}

impl Waiters {
    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.requests.len()
    }

    /// Adds a claim, or not when there are too many. An older one with the same request id is a call whose caller
    /// has lost its connection: it makes way.
    fn enlist(&mut self, claim: Claim, offer: Arc<Offer>) -> Option<(u64, oneshot::Receiver<Granted>)> {
        let of_agent = (claim.agent.clone(), "".into(), 0)..;
        let of_agent: Vec<_> = self
            .requests
            .range(of_agent)
            .take_while(|((agent, ..), _)| *agent == claim.agent)
            .map(|((_, request_id, place), offer)| (request_id.clone(), *place, offer.clone()))
            .collect();
        let mut count = of_agent.len();
        for (request_id, place, offer) in of_agent {
            if !request_id.is_empty() && request_id == claim.request_id {
                self.leave(&offer, place);
                count -= 1;
            }
        }
        if self.requests.len() >= MAX_WAITERS || count >= MAX_WAITERS_PER_AGENT {
            return None;
        }
        let (reply, receiver) = oneshot::channel();
        let place = self.next_place;
        self.next_place += 1;
        let key = (claim.agent.clone(), claim.request_id.clone(), place);
        self.requests.insert(key, offer.clone());
        let line = self.lines.entry(offer).or_default();
        line.push_back(Waiter { place, claim, reply });
        Some((place, receiver))
    }

    /// Takes a waiter out, if it is still there.
    fn leave(&mut self, offer: &Offer, place: u64) -> Option<Waiter> {
        let line = self.lines.get_mut(offer)?;
        let index = line.binary_search_by_key(&place, |waiter| waiter.place).ok()?;
        let waiter = line.remove(index)?;
        if line.is_empty() {
            self.lines.remove(offer);
        }
        let Claim {
            agent, request_id, ..
        } = &waiter.claim;
        self.requests.remove(&(agent.clone(), request_id.clone(), place));
        Some(waiter)
    }

    /// The oldest waiter among the lines for which there is something.
    fn take_oldest(&mut self, mut is_served: impl FnMut(&Offer) -> bool) -> Option<(Arc<Offer>, Waiter)> {
        let served = self.lines.iter().filter(|(offer, _)| is_served(offer));
        let (place, offer) = served
            .filter_map(|(offer, line)| Some((line.front()?.place, offer)))
            .min()?;
        let offer = offer.clone();
        let waiter = self.leave(&offer, place)?;
        Some((offer, waiter))
    }

    /// Puts a waiter back that was not given anything, at its place.
    fn put_back(&mut self, offer: Arc<Offer>, waiter: Waiter) {
        let Claim {
            agent, request_id, ..
        } = &waiter.claim;
        let key = (agent.clone(), request_id.clone(), waiter.place);
        self.requests.insert(key, offer.clone());
        let line = self.lines.entry(offer).or_default();
        let index = line.partition_point(|other| other.place < waiter.place);
        line.insert(index, waiter);
    }
}

/// Takes the waiter out when its caller goes away, so that it is never granted anything.
struct Place<'a> {
    core: &'a Core,
    offer: Arc<Offer>,
    place: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.core.lock().waiters.leave(&self.offer, self.place);
    }
}

impl Core {
    /// Claims, and waits up to `wait` when there is nothing.
    ///
    /// # Errors
    ///
    /// The claim's rejection.
    pub async fn claim(&self, claim: Claim, wait: Duration) -> Result<Answer<Vec<Arc<Task>>>, Rejection> {
        let end = self.clock.now() + wait;
        loop {
            let (answer, again) = self.claim_once(&claim, end).await?;
            // What the agent was not to be given for a while may be given to it now.
            if answer.value.is_empty() && again && self.clock.now() < end {
                continue;
            }
            return Ok(answer);
        }
    }

    /// Claims, and waits until `end`, or until it is worth claiming again, which is told with the answer.
    async fn claim_once(
        &self,
        claim: &Claim,
        end: Timestamp,
    ) -> Result<(Answer<Vec<Arc<Task>>>, bool), Rejection> {
        let mut wait = end - self.clock.now();
        let mut again = false;
        let (result, as_of, waiting) = {
            let mut inner = self.lock();
            let result = self.decide(&mut inner, |draft| claim::decide(draft, claim.clone()));
            let now = self.clock.now();
            // A slowed agent is told so at once.
            let nothing = matches!(&result, Ok(granted) if granted.is_empty())
                && inner.state.slowed_until(&claim.agent, now).is_none();
            let mut waiting = None;
            if nothing && !wait.is_zero() {
                let look = self.look(claim.lease_ttl);
                if let Some(time) = claim::look_again(&inner.state, &claim.agent, &claim.wants, look)
                    && time - now < wait
                {
                    wait = time - now;
                    again = true;
                }
                // Shards move without anything else happening.
                let is_auto = claim.wants.shard.is_some_and(|shard| shard.index.is_none());
                if is_auto && wait > SHARDS_WAIT {
                    wait = SHARDS_WAIT;
                    again = true;
                }
                let agent = inner.state.agent(&claim.agent).cloned();
                let offer = agent.map(|agent| Arc::new(inner.state.offer(&agent, &claim.wants)));
                waiting = offer.and_then(|offer| {
                    let (place, receiver) = inner.waiters.enlist(claim.clone(), offer.clone())?;
                    Some((offer, place, receiver))
                });
            }
            self.after_decision(&mut inner);
            (result, inner.state.seq(), waiting)
        };
        let (result, as_of) = match waiting {
            None => {
                again = false;
                (result, as_of)
            }
            Some((offer, place, receiver)) => {
                // Made only now that the lock is given back: it takes the lock when it goes.
                let place = Place {
                    core: self,
                    offer,
                    place,
                };
                let granted = granted_within(receiver, wait, place).await;
                granted.unwrap_or((result, as_of))
            }
        };
        self.until_durable(as_of).await;
        result.map(|value| (Answer { value, as_of }, again))
    }

    /// How agents are looked at now.
    pub(crate) fn look(&self, ttl: Duration) -> Look {
        Look {
            now: self.clock.now(),
            ttl,
            started: self.clock.started(),
        }
    }

    /// Grants what has become claimable to those who wait for it, oldest first.
    pub(crate) fn grant_to_waiters(&self, inner: &mut Inner) {
        if inner.state.hold(&Scope::Everything).is_some() {
            return;
        }
        let mut passed = Vec::new();
        loop {
            let Inner { state, waiters, .. } = inner;
            let is_served = |offer: &Offer| {
                let is_open = |queue: &QueueName| state.is_open(queue);
                state.ready().first(offer, is_open).is_some()
            };
            let Some((offer, waiter)) = waiters.take_oldest(is_served) else {
                break;
            };
            if waiter.reply.is_closed() {
                continue;
            }
            let result = self.decide(inner, |draft| claim::decide(draft, waiter.claim.clone()));
            // There is something, and not for this agent at this moment: a hold, a machine that fails what it is
            // given, a task that it should not be given again so soon. Each turn takes a waiter out, so this ends.
            if matches!(&result, Ok(granted) if granted.is_empty()) {
                passed.push((offer, waiter));
            } else {
                let _ = waiter.reply.send((result, inner.state.seq()));
            }
        }
        for (offer, waiter) in passed {
            inner.waiters.put_back(offer, waiter);
        }
    }
}

/// What the waiter was granted in time. The place is given up before the last look, so that a grant at the
/// last moment is not missed.
async fn granted_within(
    mut receiver: oneshot::Receiver<Granted>,
    wait: Duration,
    place: Place<'_>,
) -> Option<Granted> {
    if let Ok(granted) = tokio::time::timeout(wait, &mut receiver).await {
        return granted.ok();
    }
    drop(place);
    receiver.try_recv().ok()
}

#[cfg(test)]
mod tests;
