//! How far the journal is on disk, and the requests that wait for more of it.
//!
//! A commit wakes the requests whose events it has and no others: with hundreds of requests under way, waking all of
//! them for each commit would cost more than the commits.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use swarm_engine::id::Seq;
use tokio::sync::{oneshot, watch};

/// See the module.
pub(super) struct Durable {
    through: AtomicU64,
    waiting: Mutex<BTreeMap<Seq, Vec<oneshot::Sender<()>>>>,
    followers: watch::Sender<Seq>,
}

impl Durable {
    /// The events up to `through` are on disk.
    pub(super) fn new(through: Seq) -> Durable {
        Durable {
            through: AtomicU64::new(through.0),
            waiting: Mutex::default(),
            followers: watch::Sender::new(through),
        }
    }

    /// Waits until the event with this seq is on disk.
    pub(super) async fn until(&self, seq: Seq) {
        if let Some(reached) = self.wait_for(seq) {
            // The sender is dropped unsent only with `self`, which is borrowed.
            let _ = reached.await;
        }
    }

    fn wait_for(&self, seq: Seq) -> Option<oneshot::Receiver<()>> {
        if self.through.load(Ordering::Acquire) >= seq.0 {
            return None;
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        // `reached` first says how far it got, and then looks who waits.
        if self.through.load(Ordering::Acquire) >= seq.0 {
            return None;
        }
        let (sender, receiver) = oneshot::channel();
        waiting.entry(seq).or_default().push(sender);
        Some(receiver)
    }

    /// The events up to `through` are on disk from now on.
    pub(super) fn reached(&self, through: Seq) {
        // A caller may follow events from its answer on, so followers have to know of the answer's event first.
        self.followers.send_replace(through);
        self.through.store(through.0, Ordering::Release);
        let woken = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            let later = waiting.split_off(&through.next());
            std::mem::replace(&mut *waiting, later)
        };
        for sender in woken.into_values().flatten() {
            // Its caller may have gone.
            let _ = sender.send(());
        }
    }

    /// Follows the last event on disk.
    pub(super) fn follow(&self) -> watch::Receiver<Seq> {
        self.followers.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::Future as _,
        pin::pin,
        task::{Context, Waker},
    };

    use super::*;

    #[test]
    fn whoever_is_woken_finds_that_followers_know_as_much() {
        const LAST: u64 = 2_000;
        let durable = Durable::new(Seq(0));
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| {
                let mut context = Context::from_waker(Waker::noop());
                for seq in (1..=LAST).map(Seq) {
                    let mut until = pin!(durable.until(seq));
                    while until.as_mut().poll(&mut context).is_pending() {
                        std::thread::yield_now();
                    }
                    assert!(*durable.follow().borrow() >= seq);
                }
            });
            for seq in 1..=LAST {
                durable.reached(Seq(seq));
            }
            waiter.join().unwrap();
        });
    }

    #[test]
    fn a_commit_wakes_those_whose_events_it_has_and_the_others_wait_on() {
        let durable = Durable::new(Seq(3));
        let mut context = Context::from_waker(Waker::noop());
        let (mut had, mut first, mut second, mut third) = (
            pin!(durable.until(Seq(3))),
            pin!(durable.until(Seq(4))),
            pin!(durable.until(Seq(5))),
            pin!(durable.until(Seq(6))),
        );
        assert!(had.as_mut().poll(&mut context).is_ready());
        for waiting in [&mut first, &mut second, &mut third] {
            assert!(waiting.as_mut().poll(&mut context).is_pending());
        }
        durable.reached(Seq(5));
        assert!(first.as_mut().poll(&mut context).is_ready());
        assert!(second.as_mut().poll(&mut context).is_ready());
        assert!(third.as_mut().poll(&mut context).is_pending());
        assert_eq!(*durable.follow().borrow(), Seq(5));
        durable.reached(Seq(6));
        assert!(third.as_mut().poll(&mut context).is_ready());
    }
}
