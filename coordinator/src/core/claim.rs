//! Claims, and long polls: a claim that finds nothing waits.
//!
//! A claim is enlisted in the same locked section in which it found nothing. Each decision that makes tasks
//! claimable grants them to the oldest waiters that would take them, under the lock: no wake-up is lost, and nobody
//! is woken for nothing.

use std::{sync::Arc, time::Duration};

use swarm_engine::{
    command::claim::{self, Claim},
    limits::SHARDS_KEPT,
    noun::{
        needs::{Offer, Shard},
        task::Task,
    },
    rejection::Rejection,
    time::Timestamp,
};
use tokio::sync::oneshot;

use super::{Answer, Core, waiters::Granted};
use crate::program::limits::{MAX_LOOKS_OF_CLAIM, SHARDS_WAIT};

impl Core {
    /// Claims, and waits up to `wait` when there is nothing.
    ///
    /// # Errors
    ///
    /// The claim's rejection.
    pub async fn claim(&self, claim: Claim, wait: Duration) -> Result<Answer<Vec<Arc<Task>>>, Rejection> {
        let end = self.clock.now() + wait;
        let mut looks = 0;
        loop {
            let (answer, again) = self.claim_once(&claim, end).await?;
            looks += 1;
            match again {
                _ if !answer.value.is_empty() => {}
                Again::AtOnce if looks < MAX_LOOKS_OF_CLAIM => {
                    // A look of so many steps leaves the thread to others, and ends when its caller goes.
                    tokio::task::yield_now().await;
                    continue;
                }
                // A task that the agent was not to be given for a while may be given to it now.
                Again::InTime if self.clock.now() < end => continue,
                Again::AtOnce | Again::InTime | Again::Never => {}
            }
            return Ok(answer);
        }
    }

    /// Claims, and waits until `end` or until it is worth claiming again.
    async fn claim_once(
        &self,
        claim: &Claim,
        end: Timestamp,
    ) -> Result<(Answer<Vec<Arc<Task>>>, Again), Rejection> {
        let mut wait = end - self.clock.now();
        let mut again = Again::Never;
        let (result, as_of, waiting) = {
            let mut locked = self.lock();
            let result = locked.decide(|draft| claim::decide(draft, claim.clone()));
            let now = self.clock.now();
            // A slowed agent is told so at once.
            let nothing = matches!(&result, Ok(granted) if granted.is_empty())
                && locked.state.slowed_until(&claim.agent, now).is_none();
            let mut waiting = None;
            if nothing && claim::goes_on(&locked.state, &claim.agent, &claim.wants) {
                again = Again::AtOnce;
            } else if nothing && !wait.is_zero() {
                let liveness = self.liveness(claim.lease_ttl);
                if let Some(time) = claim::look_again(&locked.state, &claim.agent, &claim.wants, liveness)
                    && time - now < wait
                {
                    wait = time - now;
                    again = Again::InTime;
                }
                // Shards move without anything else happening.
                if let Some(Shard { count, index: None }) = claim.wants.shard {
                    // An agent that has just come is given its shards the next time that they are given out.
                    let has_none = locked.state.shards(&claim.agent, count).is_empty();
                    let soon = if has_none { SHARDS_KEPT } else { SHARDS_WAIT };
                    if wait > soon {
                        wait = soon;
                        again = Again::InTime;
                    }
                }
                let agent = locked.state.agent(&claim.agent).cloned();
                let offer = agent.map(|agent| Arc::new(locked.state.offer(&agent, &claim.wants)));
                waiting = offer.and_then(|offer| {
                    let (ticket, receiver) = locked.waiters.enlist(claim.clone(), offer.clone())?;
                    Some((offer, ticket, receiver))
                });
            }
            (result, locked.release(), waiting)
        };
        let (result, as_of) = match waiting {
            None => {
                if again == Again::InTime {
                    again = Again::Never;
                }
                (result, as_of)
            }
            Some((offer, ticket, receiver)) => {
                // Made only now that the lock is given back: the seat takes the lock when it goes.
                let seat = Seat {
                    core: self,
                    offer,
                    ticket,
                };
                let granted = granted_within(receiver, wait, seat).await;
                granted.unwrap_or((result, as_of))
            }
        };
        self.until_durable(as_of).await;
        result.map(|value| (Answer { value, as_of }, again))
    }
}

/// Whether it is worth claiming again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Again {
    Never,
    /// If the claim may still wait.
    InTime,
    /// The agent has not looked at all tasks: one decision looks at some.
    AtOnce,
}

/// A waiter's place in its line, given up when its caller goes away: then the waiter is never granted anything.
struct Seat<'a> {
    core: &'a Core,
    offer: Arc<Offer>,
    ticket: u64,
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.core.lock().waiters.leave(&self.offer, self.ticket);
    }
}

/// The tasks that the waiter was granted in time. Its seat is given up before the last look, so that a grant at the
/// last moment is not missed.
async fn granted_within(
    mut receiver: oneshot::Receiver<Granted>,
    wait: Duration,
    seat: Seat<'_>,
) -> Option<Granted> {
    if let Ok(granted) = tokio::time::timeout(wait, &mut receiver).await {
        return granted.ok();
    }
    drop(seat);
    receiver.try_recv().ok()
}

#[cfg(test)]
mod tests;
