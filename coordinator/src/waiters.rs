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
    id::{AgentId, Seq},
    rejection::Rejection,
    schedule::Wants,
    task::Task,
};
use tokio::sync::oneshot;

use crate::{
    core::{Answer, Core, Inner},
    limits::{MAX_WAITERS, MAX_WAITERS_PER_AGENT},
};

type Granted = (Result<Vec<Arc<Task>>, Rejection>, Seq);

struct Waiter {
    place: u64,
    claim: Claim,
    reply: oneshot::Sender<Granted>,
}

/// Who waits, by what they would take; each line is in the order of arrival.
#[derive(Default)]
pub(crate) struct Waiters {
    lines: BTreeMap<Wants, VecDeque<Waiter>>,
    /// The same by agent, request id and place.
    requests: BTreeMap<(AgentId, Arc<str>, u64), Wants>,
    next_place: u64,
}

impl Waiters {
    /// Adds a claim, or not when there are too many. An older one with the same request id is a call whose caller
    /// has lost its connection: it makes way.
    fn enlist(&mut self, claim: Claim) -> Option<(u64, oneshot::Receiver<Granted>)> {
        let of_agent = (claim.agent.clone(), "".into(), 0)..;
        let of_agent: Vec<_> = self
            .requests
            .range(of_agent)
            .take_while(|((agent, ..), _)| *agent == claim.agent)
            .map(|((_, request_id, place), wants)| (request_id.clone(), *place, wants.clone()))
            .collect();
        let mut count = of_agent.len();
        for (request_id, place, wants) in of_agent {
            if !request_id.is_empty() && request_id == claim.request_id {
                self.leave(&wants, place);
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
        self.requests.insert(key, claim.wants.clone());
        let line = self.lines.entry(claim.wants.clone()).or_default();
        line.push_back(Waiter { place, claim, reply });
        Some((place, receiver))
    }

    /// Takes a waiter out, if it is still there.
    fn leave(&mut self, wants: &Wants, place: u64) -> Option<Waiter> {
        let line = self.lines.get_mut(wants)?;
        let index = line.binary_search_by_key(&place, |waiter| waiter.place).ok()?;
        let waiter = line.remove(index)?;
        if line.is_empty() {
            self.lines.remove(wants);
        }
        let Claim {
            agent, request_id, ..
        } = &waiter.claim;
        self.requests.remove(&(agent.clone(), request_id.clone(), place));
        Some(waiter)
    }

    /// The oldest waiter among the lines for which there is something.
    fn take_oldest(&mut self, mut is_served: impl FnMut(&Wants) -> bool) -> Option<Waiter> {
        let served = self.lines.iter().filter(|(wants, _)| is_served(wants));
        let (place, wants) = served
            .filter_map(|(wants, line)| Some((line.front()?.place, wants)))
            .min()?;
        let wants = wants.clone();
        self.leave(&wants, place)
    }
}

/// Takes the waiter out when its caller goes away, so that it is never granted anything.
struct Place<'a> {
    core: &'a Core,
    wants: Wants,
    place: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.core.lock().waiters.leave(&self.wants, self.place);
    }
}

impl Core {
    /// Claims, and waits up to `wait` when there is nothing.
    ///
    /// # Errors
    ///
    /// The claim's rejection.
    pub async fn claim(&self, claim: Claim, wait: Duration) -> Result<Answer<Vec<Arc<Task>>>, Rejection> {
        let (result, as_of, waiting) = {
            let mut inner = self.lock();
            let result = self.decide(&mut inner, |draft| claim::decide(draft, claim.clone()));
            // A slowed agent is told so at once.
            let nothing = matches!(&result, Ok(granted) if granted.is_empty())
                && inner.state.slowed_until(&claim.agent, self.clock.now()).is_none();
            let waiting = if nothing && !wait.is_zero() {
                inner.waiters.enlist(claim.clone())
            } else {
                None
            };
            self.after_decision(&mut inner);
            (result, inner.state.seq(), waiting)
        };
        let (result, as_of) = match waiting {
            None => (result, as_of),
            Some((place, receiver)) => {
                let wants = claim.wants.clone();
                // Made only now that the lock is given back: it takes the lock when it goes.
                let place = Place {
                    core: self,
                    wants,
                    place,
                };
                let granted = granted_within(receiver, wait, place).await;
                granted.unwrap_or((result, as_of))
            }
        };
        self.until_durable(as_of).await;
        result.map(|value| Answer { value, as_of })
    }

    /// Grants what has become claimable to those who wait for it, oldest first.
    pub(crate) fn grant_to_waiters(&self, inner: &mut Inner) {
        loop {
            let Inner { state, waiters, .. } = inner;
            let Some(waiter) = waiters.take_oldest(|wants| state.ready().first(wants).is_some()) else {
                return;
            };
            if waiter.reply.is_closed() {
                continue;
            }
            let result = self.decide(inner, |draft| claim::decide(draft, waiter.claim.clone()));
            // A grant of nothing is an answer too: what looked claimable was past its deadline, or the agent is
            // slowed or holds all the leases that it may. Each turn takes a waiter out, so this ends.
            let _ = waiter.reply.send((result, inner.state.seq()));
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
