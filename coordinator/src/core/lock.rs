//! The one lock: the state under it, and the decisions that change the state.
//!
//! Each decision has consequences: events for the writer, tasks for claims that wait, a nearer deadline for the
//! timer. They are carried out when the lock is given back, so no decision can do without them.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, VecDeque},
    ops::{Deref, DerefMut},
    sync::{Arc, Condvar, Mutex, MutexGuard},
    thread,
};

use swarm_engine::{
    command::claim,
    draft::{self, Change, Draft},
    id::{Number, Seq, TaskId},
    noun::{
        hold::Scope,
        needs::{Buckets, Class, Offer},
    },
    rejection::Rejection,
    state::State,
    time::Timestamp,
    touches::TaskChange,
};
use tokio::sync::Notify;

use super::{
    admission::{Admission, Load, weight},
    budget::Part,
    outputs::Outputs,
    parked::Parked,
    pins::Pins,
    rates::Rates,
    stored_ids::StoredIds,
    waiters::{Asked, Waiters},
};
use crate::{
    machine::clock::Clock,
    program::{
        failure::abort,
        limits::{COMMIT_BYTES, COMMIT_EVENTS},
    },
};

/// See the module.
pub(super) struct Lock {
    clock: Clock,
    admission: Arc<Admission>,
    outputs: Arc<Outputs>,
    /// Bytes of the records in the state.
    memory: Arc<Part>,
    inner: Mutex<Inner>,
    /// Wakes the writer.
    work: Condvar,
    /// Wakes the timer when the next deadline comes nearer.
    deadline_nearer: Notify,
}

/// What the lock guards.
pub(super) struct Inner {
    pub(super) state: State,
    /// Claims that wait for a task.
    pub(super) waiters: Waiters,
    /// Heartbeats that wait for an order.
    pub(super) parked: Parked,
    pub(super) pins: Pins,
    /// How often tasks and attempts begin and end.
    pub(super) rates: Rates,
    /// Ids of tasks that the store may have and `state` has not.
    pub(super) stored_ids: StoredIds,
    /// How many tasks were retried since the start.
    pub(super) retries: u64,
    /// Removed tasks that the store still has, each with the event that removed it.
    pub(super) leaving: BTreeMap<TaskId, (Number, Seq)>,
    /// Decisions on their way to the writer; one is never cut in two.
    pending: VecDeque<Vec<Change>>,
    closed: bool,
    /// The deadline for which the timer sleeps.
    timer: Option<Timestamp>,
}

/// The lock while somebody holds it.
pub(super) struct Locked<'a> {
    lock: &'a Lock,
    inner: MutexGuard<'a, Inner>,
    /// Whether a decision's consequences are still to be carried out.
    has_decided: bool,
}

impl Lock {
    /// Puts a state under the lock; `pending` are its changes that are not on disk yet.
    pub(super) fn new(
        state: State,
        clock: Clock,
        admission: Arc<Admission>,
        outputs: Arc<Outputs>,
        memory: Arc<Part>,
        pending: Vec<Change>,
    ) -> Lock {
        memory.set_used(state.bytes());
        for change in &pending {
            admission.add(&change.event.fact.touches());
        }
        Lock {
            clock,
            admission,
            outputs,
            memory,
            inner: Mutex::new(Inner {
                state,
                waiters: Waiters::default(),
                parked: Parked::default(),
                pins: Pins::default(),
                rates: Rates::default(),
                stored_ids: StoredIds::default(),
                retries: 0,
                leaving: BTreeMap::new(),
                pending: VecDeque::from([pending]),
                closed: false,
                timer: None,
            }),
            work: Condvar::new(),
            deadline_nearer: Notify::new(),
        }
    }

    /// Waits for the lock, which is held for microseconds.
    pub(super) fn take(&self) -> Locked<'_> {
        Locked {
            lock: self,
            inner: self.inner.lock().unwrap_or_else(|_| poisoned()),
            has_decided: false,
        }
    }

    /// For the writer: the changes that were decided since the last call, as many as one group commit takes; waits
    /// for the first. `None` when the lock is closed and nothing is left.
    pub(super) fn take_pending(&self) -> Option<Vec<Change>> {
        let mut inner = self.inner.lock().unwrap_or_else(|_| poisoned());
        while inner.pending.is_empty() {
            if inner.closed {
                return None;
            }
            inner = self.work.wait(inner).unwrap_or_else(|_| poisoned());
        }
        let mut commit = Vec::new();
        let mut bytes = 0;
        while let Some(decision) = inner.pending.pop_front() {
            bytes += decision
                .iter()
                .map(|change| weight(&change.event.fact.touches()))
                .sum::<u64>();
            commit.extend(decision);
            if bytes >= COMMIT_BYTES || commit.len() >= COMMIT_EVENTS {
                break;
            }
        }
        Some(commit)
    }

    /// Lets the writer end once everything decided is durable.
    pub(super) fn close(&self) {
        self.take().inner.closed = true;
        self.work.notify_one();
    }

    /// For the timer: waits until the next deadline is nearer than the one for which the timer sleeps.
    pub(super) async fn until_deadline_is_nearer(&self) {
        self.deadline_nearer.notified().await;
    }
}

impl Locked<'_> {
    /// Decides, and queues the events for the writer.
    pub(super) fn decide<T>(
        &mut self,
        decision: impl FnOnce(&mut Draft<'_>) -> Result<T, Rejection>,
    ) -> Result<T, Rejection> {
        self.has_decided = true;
        let (lock, inner) = (self.lock, &mut *self.inner);
        let (result, changes) = draft::decide(&mut inner.state, lock.clock.now(), decision);
        for change in &changes {
            let touched = change.event.fact.touches();
            lock.admission.add(&touched);
            lock.outputs.keep(&touched);
            inner.parked.wake(&touched);
            inner.rates.note(&touched, change.event.time);
            let Some(task) = touched.task else { continue };
            match task.change {
                TaskChange::Retried { .. } => inner.retries += 1,
                TaskChange::Removed { .. } => {
                    let removal = (task.number, change.event.seq);
                    inner.leaving.insert(task.id.clone(), removal);
                    inner.pins.note_removed(task.id, task.number);
                }
                TaskChange::Submitted(_) | TaskChange::Changed | TaskChange::Ended => {}
            }
        }
        if !changes.is_empty() {
            inner.pending.push_back(changes);
        }
        result
    }

    /// Gives the lock back, and answers the last event that is decided by then.
    pub(super) fn release(mut self) -> Seq {
        self.carry_out();
        self.state.seq()
    }

    /// Whether nothing more is decided.
    pub(super) fn is_closed(&self) -> bool {
        self.inner.closed
    }

    /// When the timer has to wake next; remembered, so that a nearer deadline wakes it.
    pub(super) fn plan_timer(&mut self) -> Option<Timestamp> {
        self.inner.timer = self.inner.state.next_deadline();
        self.inner.timer
    }

    /// Grants tasks to claims that wait, though nothing was decided: there is space on the disk again.
    pub(super) fn grant_again(&mut self) {
        self.has_decided = true;
    }

    /// Carries out the consequences of the decisions.
    fn carry_out(&mut self) {
        if !self.has_decided {
            return;
        }
        if self.lock.admission.has_space_for(Load::Claim) {
            self.grant_to_waiters();
        }
        if !self.pending.is_empty() {
            self.lock.work.notify_one();
        }
        let next = self.state.next_deadline();
        if next.is_some_and(|next| self.timer.is_none_or(|timer| next < timer)) {
            self.lock.deadline_nearer.notify_one();
        }
        self.has_decided = false;
    }

    /// Grants tasks of the classes in which some became claimable to the claims that wait for them, oldest first.
    fn grant_to_waiters(&mut self) {
        let mut passed = Vec::new();
        let mut asked = Asked::default();
        // The oldest waiter for each of the classes.
        let mut turns = BinaryHeap::new();
        loop {
            // Grants have consequences, and those may let other tasks be claimed.
            for class in self.state.take_opened() {
                turns.extend(self.oldest_for(class, &mut asked));
            }
            let Some(Reverse((ticket, _, class))) = turns.pop() else {
                break;
            };
            // A grant since may have taken the waiter, or the last task of the class.
            let Some(Reverse((oldest, offer, class))) = self.oldest_for(class, &mut asked) else {
                continue;
            };
            turns.push(Reverse((oldest, offer.clone(), class)));
            if oldest != ticket {
                continue;
            }
            let waiter = self.waiters.leave(&offer, ticket);
            let Some(waiter) = waiter.filter(|waiter| !waiter.reply.is_closed()) else {
                continue;
            };
            let before = self.state.seq();
            let result = self.decide(|draft| claim::decide(draft, waiter.claim.clone()));
            if self.state.seq() != before {
                asked = Asked::default();
            }
            // There is a task, and not for this agent at this moment: because of a hold, a machine that fails, or an
            // attempt of the same task a moment ago. Each turn takes a waiter out, so this ends.
            if matches!(&result, Ok(granted) if granted.is_empty()) {
                passed.push((offer, waiter));
            } else {
                let _ = waiter.reply.send((result, self.state.seq()));
            }
        }
        for (offer, waiter) in passed {
            self.waiters.put_back(offer, waiter);
        }
    }

    /// The oldest waiter that a task of the class could be granted to, with its ticket; `None` when there is no task.
    fn oldest_for(&mut self, class: Class, asked: &mut Asked) -> Option<Reverse<(u64, Arc<Offer>, Class)>> {
        let Inner { state, waiters, .. } = &mut *self.inner;
        if waiters.len() == 0 || state.hold(&Scope::Everything).is_some() || !state.is_open(&class.queue) {
            return None;
        }
        // Asked of all buckets once, before each line is asked for its own.
        state.ready().first_of(&class, &Buckets::ALL)?;
        let has_task = |offer: &Offer| asked.once(&class, offer, || state.ready().may_have(&class, offer));
        let (ticket, offer) = waiters.oldest_suited(&class, has_task)?;
        Some(Reverse((ticket, offer, class)))
    }
}

impl Deref for Locked<'_> {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.inner
    }
}

impl DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut Inner {
        &mut self.inner
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        // After a panic the state may be half changed, and the lock is poisoned.
        if !thread::panicking() {
            self.carry_out();
            self.lock.memory.set_used(self.state.bytes());
        }
    }
}

/// A panic under the lock may have left the state half changed: nothing may be answered from it.
fn poisoned() -> ! {
    abort("a decision ended in the middle because of a bug in the coordinator")
}
