//! The leases this agent holds: one list for registrations, heartbeats and orders.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use swarm_proto::v1::LeaseRef;
use tokio::sync::watch;

use super::lease::{BootTime, TrustWindow};
use crate::attempt_key::AttemptKey;

/// Why an attempt is given back before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Why {
    /// This agent ends.
    Leaving,
    /// Somebody drains this agent, and its time is over, or stopped all agents.
    Held,
    /// Nothing was heard from the coordinator, and the attempt must not overlap with another one.
    Silence,
}

/// What an attempt is told from outside, the mildest first; a milder one never takes back a stronger one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Order {
    /// Carry on.
    GoOn,
    /// The task was cancelled: end politely, report `cancelled`.
    Cancel,
    /// End politely, report `released`.
    Release(Why),
    /// Kill, report `released`.
    Stop(Why),
    /// The attempt is somebody else's: kill, report nothing, keep what there is.
    Lost,
}

/// All held leases.
#[derive(Default)]
pub(crate) struct Held(Mutex<BTreeMap<AttemptKey, Holding>>);

struct Holding {
    lease: LeaseRef,
    stage: HoldingStage,
}

enum HoldingStage {
    /// An attempt is at work under it.
    Running {
        trust: TrustWindow,
        orders: watch::Sender<Order>,
        /// It must never overlap with another attempt of its group.
        exclusive: bool,
    },
    /// Its outcome is known here and not yet confirmed.
    Reported,
}

/// An attempt whose trust window has ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Untrusted {
    pub(crate) key: AttemptKey,
    /// For how long it had no renewal.
    pub(crate) silence: Duration,
    /// How long ago the window ended.
    pub(crate) ended: Duration,
    pub(crate) exclusive: bool,
}

impl Held {
    /// Takes up a lease; its attempt listens to the returned orders. `None` when it is held already.
    pub(crate) fn take(
        &self,
        lease: LeaseRef,
        trust: TrustWindow,
        exclusive: bool,
    ) -> Option<watch::Receiver<Order>> {
        let key = AttemptKey::of(&lease);
        let mut held = self.lock();
        if held.contains_key(&key) {
            return None;
        }
        let (orders, listener) = watch::channel(Order::GoOn);
        held.insert(
            key,
            Holding {
                lease,
                stage: HoldingStage::Running {
                    trust,
                    orders,
                    exclusive,
                },
            },
        );
        Some(listener)
    }

    /// The attempt has ended and its outcome waits to be confirmed.
    pub(crate) fn report(&self, lease: LeaseRef) {
        self.lock().insert(
            AttemptKey::of(&lease),
            Holding {
                lease,
                stage: HoldingStage::Reported,
            },
        );
    }

    /// Nothing is left to do about it.
    pub(crate) fn forget(&self, key: &AttemptKey) {
        self.lock().remove(key);
    }

    /// How many attempts are at work.
    pub(crate) fn running(&self) -> usize {
        self.lock()
            .values()
            .filter(|holding| matches!(holding.stage, HoldingStage::Running { .. }))
            .count()
    }

    /// At most this many leases, those at work before those that wait for confirmation.
    pub(crate) fn leases(&self, limit: usize) -> Vec<LeaseRef> {
        let held = self.lock();
        let (running, reported): (Vec<_>, Vec<_>) = held
            .values()
            .partition(|holding| matches!(holding.stage, HoldingStage::Running { .. }));
        running
            .into_iter()
            .chain(reported)
            .take(limit)
            .map(|holding| holding.lease.clone())
            .collect()
    }

    /// Gives an order to one attempt; says since when its lease was not renewed if the order is news to it.
    pub(crate) fn order(&self, key: &AttemptKey, order: Order) -> Option<BootTime> {
        let held = self.lock();
        let HoldingStage::Running { trust, orders, .. } = &held.get(key)?.stage else {
            return None;
        };
        raise(orders, order).then(|| trust.renewed())
    }

    /// Gives an order to every attempt at work.
    pub(crate) fn order_all(&self, order: Order) {
        for holding in self.lock().values() {
            if let HoldingStage::Running { orders, .. } = &holding.stage {
                raise(orders, order);
            }
        }
    }

    /// The lease was renewed.
    pub(crate) fn renew(&self, key: &AttemptKey, renewal: TrustWindow) {
        if let Some(Holding {
            stage: HoldingStage::Running { trust, .. },
            ..
        }) = self.lock().get_mut(key)
        {
            trust.renew(renewal);
        }
    }

    /// The attempts whose trust window has ended since this was last asked.
    pub(crate) fn newly_untrusted(&self, now: BootTime) -> Vec<Untrusted> {
        let mut held = self.lock();
        let mut untrusted = Vec::new();
        for (key, holding) in held.iter_mut() {
            if let HoldingStage::Running { trust, exclusive, .. } = &mut holding.stage
                && trust.notice_end(now)
            {
                let silence = now.since(trust.renewed());
                untrusted.push(Untrusted {
                    key: key.clone(),
                    silence,
                    ended: silence.saturating_sub(trust.length()),
                    exclusive: *exclusive,
                });
            }
        }
        untrusted
    }

    /// The shortest trust window of the exclusive attempts at work: their renewals must be known before it ends.
    pub(crate) fn exclusive_window(&self) -> Option<Duration> {
        self.exclusive_trusts(|trust| trust.length())
    }

    /// When the first open trust window of an exclusive attempt ends, from now on.
    pub(crate) fn exclusive_rest(&self, now: BootTime) -> Option<Duration> {
        self.exclusive_trusts(|trust| trust.rest(now))
    }

    fn exclusive_trusts(&self, length: impl Fn(&TrustWindow) -> Duration) -> Option<Duration> {
        let held = self.lock();
        let trusts = held.values().filter_map(|holding| match &holding.stage {
            HoldingStage::Running {
                trust,
                exclusive: true,
                ..
            } => Some(length(trust)),
            _ => None,
        });
        trusts.filter(|length| !length.is_zero()).min()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<AttemptKey, Holding>> {
        self.0
            .lock()
            .expect("nothing panics while it changes the held leases")
    }
}

fn raise(orders: &watch::Sender<Order>, order: Order) -> bool {
    orders.send_if_modified(|current| {
        let stronger = order > *current;
        if stronger {
            *current = order;
        }
        stronger
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(task_id: &str) -> LeaseRef {
        LeaseRef {
            task_id: task_id.to_owned(),
            attempt: 1,
            lease_token: vec![7; 16],
        }
    }

    fn trust() -> TrustWindow {
        TrustWindow::new(BootTime::now(), Duration::from_secs(90), Duration::from_secs(10))
    }

    #[test]
    fn a_lease_that_comes_twice_is_taken_once() {
        let held = Held::default();
        assert!(held.take(lease("a"), trust(), false).is_some());
        assert!(held.take(lease("a"), trust(), false).is_none());
        held.report(lease("a"));
        assert!(held.take(lease("a"), trust(), false).is_none());
    }

    #[test]
    fn orders_only_grow_stronger_and_are_news_once() {
        let held = Held::default();
        let orders = held.take(lease("a"), trust(), false).unwrap();
        let key = AttemptKey::of(&lease("a"));
        let stop = Order::Stop(Why::Leaving);
        assert!(held.order(&key, stop).is_some());
        assert!(held.order(&key, Order::Cancel).is_none());
        assert!(held.order(&key, Order::Release(Why::Silence)).is_none());
        assert!(held.order(&key, stop).is_none());
        assert_eq!(*orders.borrow(), stop);
    }

    #[test]
    fn a_reported_attempt_takes_no_orders_and_is_listed_last() {
        let held = Held::default();
        held.report(lease("a"));
        held.take(lease("b"), trust(), true).unwrap();
        assert_eq!(held.order(&AttemptKey::of(&lease("a")), Order::Lost), None);
        let listed: Vec<_> = held.leases(10).into_iter().map(|lease| lease.task_id).collect();
        assert_eq!(listed, ["b", "a"]);
        assert_eq!((held.leases(1).len(), held.running()), (1, 1));
    }

    #[test]
    fn only_exclusive_attempts_ask_for_renewals_in_time() {
        let held = Held::default();
        let (begun, window) = (BootTime::now(), Duration::from_secs(80));
        let _other = held.take(lease("a"), trust(), false).unwrap();
        assert_eq!(
            (held.exclusive_window(), held.exclusive_rest(begun)),
            (None, None)
        );
        let _exclusive = held.take(lease("b"), trust(), true).unwrap();
        assert_eq!(held.exclusive_window(), Some(window));
        assert!(held.exclusive_rest(begun) <= Some(window));
    }
}
