//! The network: messages under way, which may be lost, repeated, delayed or reordered.

use std::{sync::Arc, time::Duration};

use swarm_engine::{
    command::{
        claim::Claim,
        complete::{Accepted, Complete},
        death::Death,
        deregister::Deregister,
        forget::Forget,
        hold::{LiftHold, PlaceHold},
        limit::Limit,
        register::{Register, Registered},
        release::Release,
        remove::Remove,
        renew::{Directive, Renew},
        retry::Retry,
        submit::{Submit, Submitted},
    },
    id::TaskId,
    noun::task::Task,
    rejection::Rejection,
};

use super::{
    fault::{Fault, Habits, Tally},
    random::Random,
};

/// The longest way of a message, in milliseconds.
const LATENCY: u64 = 50;

/// The longest way of a delayed message, in milliseconds: its sender has given it up long before.
const DELAY: u64 = 200_000;

/// The party that makes a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Party {
    /// A process of an agent, by its number.
    Process(u32),
    /// A submitter, by its index.
    Submitter(usize),
    /// A caller that does not wait for the answer.
    Nobody,
}

#[derive(Clone, Debug)]
pub(crate) enum Request {
    Submit(Submit),
    Register(Register),
    /// A claim for this many tasks, which may wait this long. The coordinator makes the tokens.
    Claim(Claim, u64, Duration),
    Renew(Renew),
    Complete(Complete),
    Deregister(Deregister),
    Death(Death),
    Cancel(Vec<TaskId>),
    Retry(Vec<Retry>),
    Remove(Vec<Remove>),
    PlaceHold(PlaceHold),
    LiftHold(LiftHold),
    Limit(Limit),
    Release(Release),
    Forget(Forget),
}

#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Submitted(Result<Vec<Submitted>, Rejection>),
    Registered(Result<Registered, Rejection>),
    Granted(Result<Vec<Arc<Task>>, Rejection>),
    Renewed(Result<Vec<Directive>, Rejection>),
    Reported(Vec<Result<Accepted, Rejection>>),
    Left(Result<(), Rejection>),
    Ordered,
}

#[derive(Clone, Debug)]
pub(crate) enum Body {
    Request(Request),
    Answer(Answer),
}

/// A message and the party that it belongs to.
#[derive(Clone, Debug)]
pub(crate) struct Envelope {
    pub(crate) due: u64,
    pub(crate) party: Party,
    pub(crate) call: u64,
    pub(crate) body: Body,
}

/// See the module. Times are those of the one machine, in milliseconds.
#[derive(Default)]
pub(crate) struct Network {
    /// In the order in which they were sent.
    under_way: Vec<Envelope>,
    calls: u64,
}

impl Network {
    pub(crate) fn next_call(&mut self) -> u64 {
        self.calls += 1;
        self.calls
    }

    pub(crate) fn send(
        &mut self,
        mut envelope: Envelope,
        habits: &Habits,
        random: &mut Random,
        tally: &mut Tally,
    ) {
        envelope.due += random.below(LATENCY);
        if habits.has(Fault::Dropped) && random.one_in(12) {
            tally.fault(Fault::Dropped);
            return;
        }
        if habits.has(Fault::Repeated) && random.one_in(20) {
            tally.fault(Fault::Repeated);
            let mut again = envelope.clone();
            again.due += random.below(DELAY);
            self.under_way.push(again);
        }
        if habits.has(Fault::Delayed) && random.one_in(15) {
            tally.fault(Fault::Delayed);
            envelope.due += random.below(DELAY);
        }
        self.under_way.push(envelope);
    }

    /// A message that has arrived by now: the first one, or a later one.
    pub(crate) fn receive(
        &mut self,
        now: u64,
        habits: &Habits,
        random: &mut Random,
        tally: &mut Tally,
    ) -> Option<Envelope> {
        let arrived = || {
            self.under_way
                .iter()
                .enumerate()
                .filter(|(_, each)| each.due <= now)
        };
        let (first, _) = arrived().min_by_key(|(index, each)| (each.due, *index))?;
        let mut taken = first;
        if habits.has(Fault::Reordered) && random.one_in(3) {
            let count = arrived().count();
            taken = arrived()
                .nth(random.index(count))
                .map_or(first, |(index, _)| index);
            if taken != first {
                tally.fault(Fault::Reordered);
            }
        }
        Some(self.under_way.remove(taken))
    }

    /// Keeps the messages for a party until this time.
    pub(crate) fn put_back(&mut self, mut envelope: Envelope, due: u64) {
        envelope.due = due;
        self.under_way.push(envelope);
    }

    /// Ends connections: some or all messages to the coordinator are lost.
    pub(crate) fn cut(&mut self, mut is_lost: impl FnMut() -> bool) {
        self.under_way
            .retain(|each| matches!(each.body, Body::Answer(_)) || !is_lost());
    }

    pub(crate) fn clear(&mut self) {
        self.under_way.clear();
    }
}
