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
    id::Seq,
    rejection::Rejection,
    schedule::Wants,
    task::Task,
};
use tokio::sync::oneshot;

use crate::{
    core::{Answer, Core, Inner},
    limits::MAX_WAITERS,
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
    count: usize,
    next_place: u64,
}

impl Waiters {
    fn enlist(&mut self, claim: Claim) -> (u64, oneshot::Receiver<Granted>) {
        let (reply, receiver) = oneshot::channel();
        let place = self.next_place;
        self.next_place += 1;
        self.count += 1;
        self.lines
            .entry(claim.wants.clone())
            .or_default()
            .push_back(Waiter { place, claim, reply });
        (place, receiver)
    }

    /// Takes a waiter out; false when it is not there any more.
    fn leave(&mut self, wants: &Wants, place: u64) -> bool {
        let Some(line) = self.lines.get_mut(wants) else {
            return false;
        };
        let Ok(index) = line.binary_search_by_key(&place, |waiter| waiter.place) else {
            return false;
        };
        line.remove(index);
        self.count -= 1;
        if line.is_empty() {
            self.lines.remove(wants);
        }
        true
    }

    /// The oldest waiter among the lines for which there is something.
    fn take_oldest(&mut self, mut is_served: impl FnMut(&Wants) -> bool) -> Option<Waiter> {
        let wants = self
            .lines
            .iter()
            .filter(|(wants, _)| is_served(wants))
            .filter_map(|(wants, line)| Some((line.front()?.place, wants)))
            .min()?
            .1
            .clone();
        let line = self.lines.get_mut(&wants)?;
        let waiter = line.pop_front()?;
        self.count -= 1;
        if line.is_empty() {
            self.lines.remove(&wants);
        }
        Some(waiter)
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
            let waiting = (nothing && !wait.is_zero() && inner.waiters.count < MAX_WAITERS).then(|| {
                let wants = claim.wants.clone();
                let (place, receiver) = inner.waiters.enlist(claim);
                (
                    Place {
                        core: self,
                        wants,
                        place,
                    },
                    receiver,
                )
            });
            self.after_decision(&mut inner);
            (result, inner.state.seq(), waiting)
        };
        let (result, as_of) = match waiting {
            None => (result, as_of),
            Some((place, receiver)) => {
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
            let before = inner.state.seq();
            let result = self.decide(inner, |draft| claim::decide(draft, waiter.claim.clone()));
            let slowed = inner
                .state
                .slowed_until(&waiter.claim.agent, self.clock.now())
                .is_some();
            let nothing = matches!(&result, Ok(granted) if granted.is_empty()) && !slowed;
            let progress = inner.state.seq() > before;
            let as_of = inner.state.seq();
            // A grant of nothing is an answer too: what looked claimable was past its deadline.
            let _ = waiter.reply.send((result, as_of));
            if nothing && !progress {
                return;
            }
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
