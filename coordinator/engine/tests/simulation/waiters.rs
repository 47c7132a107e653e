//! Waiters: claims that found nothing. They are decided again when the engine tells that a class of theirs was opened.

use std::{collections::BTreeSet, time::Duration};

use swarm_engine::{
    command::claim::{self, Claim},
    draft::decide,
    id::AgentId,
    noun::{
        hold::Scope,
        lease::Held,
        needs::{Class, Offer},
    },
    rejection::Rejection,
    rule::fit::Liveness,
    state::State,
    time::Timestamp,
};

use super::{
    choice,
    coordinator::Coordinator,
    fault::{Deed, Tally},
    network::{Answer, Party},
    tasks::{TTL, proof_of},
};

/// The longest wait of an agent before it asks for its shards again.
const SHARDS_WAIT: Duration = Duration::from_secs(5);

/// The waiting claims, in the order of arrival.
#[derive(Default)]
pub(crate) struct Waiters {
    waiting: Vec<Waiter>,
}

struct Waiter {
    party: Party,
    call: u64,
    claim: Claim,
    offer: Offer,
    until: Timestamp,
    /// The time at which it is decided again without an opening.
    again: Option<Timestamp>,
    /// Whether it was decided again and given nothing, for a reason that time alone may end.
    was_passed: bool,
}

impl Coordinator {
    /// Decides the claim of a call, and lets it wait when there is nothing.
    pub(crate) fn claim(
        &mut self,
        boot: u64,
        tally: &mut Tally,
        (party, call): (Party, u64),
        claim: Claim,
        wait: Duration,
    ) {
        let now = self.now(boot);
        let until = now + wait;
        self.up_mut().waiters.waiting.retain(|waiter| {
            waiter.claim.agent != claim.agent || waiter.claim.request_id != claim.request_id
        });
        self.try_claim(boot, tally, (party, call), claim, until);
    }

    fn try_claim(
        &mut self,
        boot: u64,
        tally: &mut Tally,
        (party, call): (Party, u64),
        claim: Claim,
        until: Timestamp,
    ) {
        let now = self.now(boot);
        let result = self.decide_claim(boot, tally, &claim);
        let found_nothing = matches!(&result, Ok(granted) if granted.is_empty());
        let state = self.state();
        let is_slowed = state.slowed_until(&claim.agent, now).is_some();
        let agent = state
            .agent(&claim.agent)
            .filter(|_| found_nothing && !is_slowed && until > now);
        let Some(agent) = agent else {
            self.answer(party, call, Answer::Granted(result));
            return;
        };
        let again = claim::look_again(state, &claim.agent, &claim.wants, liveness(now));
        let is_auto = claim.wants.shard.is_some_and(|shard| shard.index.is_none());
        let again = again
            .into_iter()
            .chain(is_auto.then_some(now + SHARDS_WAIT))
            .min();
        let offer = state.offer(agent, &claim.wants);
        self.up_mut().waiters.waiting.push(Waiter {
            party,
            call,
            claim,
            offer,
            until,
            again,
            was_passed: false,
        });
    }

    /// Decides a claim, and notes the leases in its answer.
    fn decide_claim(
        &mut self,
        boot: u64,
        tally: &mut Tally,
        claim: &Claim,
    ) -> Result<Vec<std::sync::Arc<swarm_engine::noun::task::Task>>, Rejection> {
        let before = self.state().clone();
        let result = self.decide(boot, tally, |draft| claim::decide(draft, claim.clone()));
        let now = self.now(boot);
        let running = self.up_mut();
        let is_new = running.state.seq() != before.seq();
        match &result {
            Ok(given) if given.is_empty() => choice::check_nothing(&before, &running.state, claim, now),
            Ok(given) if is_new => running.turns.check_given(&before, &running.state, claim, given),
            Ok(_) | Err(_) => {}
        }
        for task in result.iter().flatten() {
            let held = Held {
                proof: proof_of(task),
                ran: None,
            };
            running.leases.renew(&running.state, &claim.agent, &held, now);
            tally.deed(Deed::Claim);
        }
        if result.iter().any(|granted| !granted.is_empty()) && !is_new {
            tally.repeated_grants += 1;
        }
        result
    }

    /// Decides waiting claims again after an opening, the oldest first.
    pub(crate) fn serve_waiters(&mut self, boot: u64, tally: &mut Tally) {
        let opened = self.up_mut().state.take_opened();
        if opened.is_empty() {
            return;
        }
        if self.state().hold(&Scope::Everything).is_some() {
            return;
        }
        let mut waiting = std::mem::take(&mut self.up_mut().waiters.waiting);
        waiting.retain_mut(|waiter| {
            if !has_first(self.state(), &opened, &waiter.offer) {
                return true;
            }
            let result = self.decide_claim(boot, tally, &waiter.claim);
            if matches!(&result, Ok(granted) if granted.is_empty()) {
                waiter.was_passed = true;
                return true;
            }
            self.answer(waiter.party, waiter.call, Answer::Granted(result));
            false
        });
        self.up_mut().waiters.waiting = waiting;
    }

    /// Lets time pass for waiting claims.
    pub(crate) fn end_waits(&mut self, boot: u64, tally: &mut Tally) {
        let now = self.now(boot);
        let is_over =
            |waiter: &mut Waiter| waiter.until <= now || waiter.again.is_some_and(|again| again <= now);
        let over: Vec<Waiter> = self.up_mut().waiters.waiting.extract_if(.., is_over).collect();
        for waiter in over {
            self.try_claim(
                boot,
                tally,
                (waiter.party, waiter.call),
                waiter.claim,
                waiter.until,
            );
        }
    }

    /// Checks that no claim waits in vain: it would be given nothing now, unless there was an opening since, or only
    /// time was in its way.
    pub(crate) fn check_waiters(&self, boot: u64) {
        let (now, running) = (self.now(boot), self.up());
        if !running.state.clone().take_opened().is_empty() {
            return;
        }
        for waiter in &running.waiters.waiting {
            if waiter.was_passed || waiter.again.is_some() {
                continue;
            }
            let mut state = running.state.clone();
            let (result, _) = decide(&mut state, now, |draft| {
                claim::decide(draft, waiter.claim.clone())
            });
            for task in result.into_iter().flatten() {
                let known = running.state.task_numbered(task.number);
                // A late copy of an answered claim is told of the leases of its agent.
                if known.is_some_and(|known| known.lease().is_some()) {
                    continue;
                }
                let agent = &waiter.claim.agent;
                assert!(
                    task.attempts.iter().any(|attempt| was_tried(attempt, agent)),
                    "{agent} waits, and nothing has told that it could be given {}",
                    task.id
                );
            }
        }
    }
}

/// Whether the agent had this attempt: it may be given the task again when other agents come or go.
fn was_tried(attempt: &swarm_engine::noun::attempt::Attempt, agent: &AgentId) -> bool {
    attempt.agent == *agent
}

/// Whether there is a task for the offer in one of these classes.
fn has_first(state: &State, opened: &BTreeSet<Class>, offer: &Offer) -> bool {
    opened.iter().any(|class| {
        let is_claimable = offer.suits(class) && state.is_open(&class.queue);
        is_claimable && state.ready().may_have(class, offer)
    })
}

pub(crate) fn liveness(now: Timestamp) -> Liveness {
    Liveness {
        now,
        ttl: TTL,
        started: Timestamp(0),
    }
}
