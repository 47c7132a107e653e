//! The one door to the state: decide under the lock, journal, wait until durable.
//!
//! Nothing leaves before the state it reflects is on disk: every answer, refusal
//! and read waits until the last event that it may have seen is durable.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Condvar, Mutex, MutexGuard},
    time::Duration,
};

use swarm_engine::{
    command::{claim, expire},
    draft::{self, Change, Draft},
    event::{Event, Fact},
    id::{Number, QueueName, Seq, TaskId},
    noun::{agent::Agent, counts::Counts, hold::Scope, job::Job, needs::Offer, task::Task},
    rejection::Rejection,
    rule::fit::Liveness,
    state::State,
    time::Timestamp,
};
use tokio::sync::{Notify, Semaphore, watch};

use crate::{
    admission::{Admission, Load, weight},
    clock::Clock,
    durable::Durable,
    failure::abort,
    journal,
    limits::{COMMIT_BYTES, COMMIT_EVENTS, MAX_STREAMS, STORE_READERS},
    meters::Meters,
    outputs::Outputs,
    parked::Parked,
    pins::Pins,
    rates::{Happened, Rates},
    store::Store,
    stored_ids::StoredIds,
    tail::Tail,
    waiters::Waiters,
};

/// See the module.
pub struct Core {
    pub(crate) clock: Clock,
    /// What is on its way to the store.
    pub(crate) admission: Admission,
    /// What attempts printed, as long as the store does not have it.
    pub(crate) outputs: Outputs,
    /// The newest durable events.
    pub(crate) tail: Tail,
    /// The older ones.
    pub(crate) journal: journal::Reader,
    pub(crate) store: Store,
    /// A turn for each request that may read the store for tasks that memory does not have.
    pub(crate) store_readers: Semaphore,
    /// A place for each open stream of events.
    pub(crate) streams: Arc<Semaphore>,
    /// What is counted while all this works.
    pub(crate) meters: Arc<Meters>,
    history: Arc<str>,
    inner: Mutex<Inner>,
    /// Wakes the writer.
    work: Condvar,
    durable: Durable,
    /// Whether it is known that no id is missing in the store.
    pub(crate) ids_read: watch::Sender<bool>,
    /// Wakes the timer when the next deadline has come nearer.
    pub(crate) deadline_nearer: Notify,
}

/// What the lock guards.
pub(crate) struct Inner {
    pub(crate) state: State,
    pub(crate) waiters: Waiters,
    /// Heartbeats that wait for an order.
    pub(crate) parked: Parked,
    pub(crate) pins: Pins,
    /// How often things happen.
    pub(crate) rates: Rates,
    /// What the store may have that `state` has not.
    pub(crate) stored_ids: StoredIds,
    /// How many tasks were brought back since the start.
    pub(crate) retries: u64,
    /// Removed tasks that the store still has, each with the event that removed it.
    pub(crate) leaving: BTreeMap<TaskId, (Number, Seq)>,
    /// Decisions on their way to the writer; one is never cut in two.
    pending: VecDeque<Vec<Change>>,
    closed: bool,
    /// How many tasks had been queued when waiters were last looked at.
    granted_through: u64,
    /// When the timer means to wake.
    timer: Option<Timestamp>,
}

/// A value with the last event that it reflects, which is durable.
#[derive(Clone, Debug)]
pub struct Answer<T> {
    /// The value.
    pub value: T,
    /// The last event that it reflects.
    pub as_of: Seq,
}

/// A durable event, and the records it touched as they are right after it.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) event: Arc<Event>,
    pub(crate) task: Option<Arc<Task>>,
    pub(crate) job: Option<Arc<Job>>,
    pub(crate) agent: Option<Arc<Agent>>,
    /// How many kept tasks have ended right after it, by final state.
    pub(crate) ended: Counts,
}

impl From<Change> for Entry {
    fn from(change: Change) -> Entry {
        let Change {
            event,
            task,
            job,
            agent,
            ended,
        } = change;
        Entry {
            event: Arc::new(event),
            task,
            job,
            agent,
            ended,
        }
    }
}

impl Core {
    /// Opens the door on a state: the events up to `durable` are on disk, `pending` are those since.
    pub(crate) fn new(
        state: State,
        clock: Clock,
        journal: journal::Reader,
        store: Store,
        durable: Seq,
        pending: Vec<Change>,
    ) -> Core {
        let history = state
            .identity()
            .map_or_else(|| "".into(), |identity| identity.history.clone());
        let ids_read = watch::Sender::new(store.is_read());
        let admission = Admission::default();
        for change in &pending {
            admission.add(change);
        }
        Core {
            clock,
            admission,
            outputs: Outputs::new(store.clone()),
            tail: Tail::new(durable),
            journal,
            store,
            store_readers: Semaphore::new(STORE_READERS),
            streams: Arc::new(Semaphore::new(MAX_STREAMS)),
            meters: Arc::default(),
            history,
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
                granted_through: 0,
                timer: None,
            }),
            work: Condvar::new(),
            durable: Durable::new(durable),
            ids_read,
            deadline_nearer: Notify::new(),
        }
    }

    /// Carries out a request: decides, and answers when the decision is durable.
    ///
    /// # Errors
    ///
    /// The decision's rejection, likewise once what it saw is durable.
    pub async fn execute<T>(
        &self,
        decision: impl FnOnce(&mut Draft<'_>) -> Result<T, Rejection>,
    ) -> Result<Answer<T>, Rejection> {
        let (result, as_of) = {
            let mut inner = self.lock();
            let result = self.decide(&mut inner, decision);
            self.after_decision(&mut inner);
            (result, inner.state.seq())
        };
        self.until_durable(as_of).await;
        result.map(|value| Answer { value, as_of })
    }

    /// Looks at the state, for microseconds, and answers when what was seen is durable.
    pub async fn read<T>(&self, look: impl FnOnce(&State) -> T) -> Answer<T> {
        self.read_inner(|inner| look(&inner.state)).await
    }

    /// The same, with who waits for what.
    pub(crate) async fn read_inner<T>(&self, look: impl FnOnce(&Inner) -> T) -> Answer<T> {
        let (value, as_of) = {
            let inner = self.lock();
            (look(&inner), inner.state.seq())
        };
        self.until_durable(as_of).await;
        Answer { value, as_of }
    }

    /// Lets the engine handle what is due, and says which event has to be durable before there may be more.
    pub(crate) fn expire(&self, jitter: u64) -> Seq {
        let mut inner = self.lock();
        let result = self.decide(&mut inner, |draft| expire::decide(draft, jitter));
        assert!(result.is_ok(), "time passing is never refused");
        self.after_decision(&mut inner);
        inner.state.seq()
    }

    /// Gives every lease a full TTL from now on: the coordinator was paused.
    pub(crate) fn grace(&self, ttl: Duration) {
        let now = self.clock.now();
        self.lock().state.grace(now, ttl);
    }

    /// The same before anything is served.
    pub(crate) fn grace_at_start(&self, ttl: Duration) {
        let now = self.clock.now();
        self.lock().state.grace_at_start(now, ttl);
    }

    /// Decides under the lock and queues the events for the writer. `after_decision` has to follow before the
    /// lock is given back.
    pub(crate) fn decide<T>(
        &self,
        inner: &mut Inner,
        decision: impl FnOnce(&mut Draft<'_>) -> Result<T, Rejection>,
    ) -> Result<T, Rejection> {
        let (result, changes) = draft::decide(&mut inner.state, self.clock.now(), decision);
        for change in &changes {
            self.admission.add(change);
            self.outputs.keep(&change.event);
            inner.parked.wake(&change.event.fact);
            inner.rates.note(&change.event.fact, change.event.time);
            match &change.event.fact {
                Fact::TaskRetried { .. } => inner.retries += 1,
                Fact::TaskRemoved { task, .. } => {
                    let place = (task.number, change.event.seq);
                    inner.leaving.insert(task.id.clone(), place);
                }
                _ => {}
            }
        }
        if !changes.is_empty() {
            inner.pending.push_back(changes);
        }
        result
    }

    /// Hands what has become claimable to those who wait for it, and wakes the writer and the timer.
    pub(crate) fn after_decision(&self, inner: &mut Inner) {
        let queued = inner.state.ready().openings();
        if inner.granted_through != queued && self.admission.has_space_for(Load::Claim) {
            inner.granted_through = queued;
            self.grant_to_waiters(inner);
        }
        if !inner.pending.is_empty() {
            self.work.notify_one();
        }
        let next = inner.state.next_deadline();
        if next.is_some_and(|next| inner.timer.is_none_or(|timer| next < timer)) {
            self.deadline_nearer.notify_one();
        }
    }

    /// Grants what has become claimable to the claims that wait for it, oldest first.
    fn grant_to_waiters(&self, inner: &mut Inner) {
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

    /// There is space on the disk again: those who wait are granted what has become claimable meanwhile.
    pub(crate) fn space_returned(&self) {
        self.after_decision(&mut self.lock());
    }

    /// How agents are looked at now.
    pub(crate) fn liveness(&self, ttl: Duration) -> Liveness {
        Liveness {
            now: self.clock.now(),
            ttl,
            started: self.clock.started(),
        }
    }

    /// When the timer has to wake next; remembered, so that a nearer deadline wakes it.
    pub(crate) fn plan_timer(&self) -> Option<Timestamp> {
        let mut inner = self.lock();
        inner.timer = inner.state.next_deadline();
        inner.timer
    }

    /// Waits until the event with this seq is durable.
    pub(crate) async fn until_durable(&self, seq: Seq) {
        self.durable.until(seq).await;
    }

    /// Follows the last durable event.
    pub fn durable(&self) -> watch::Receiver<Seq> {
        self.durable.follow()
    }

    /// The last event that was decided, durable or not.
    pub(crate) fn decided(&self) -> Seq {
        self.lock().state.seq()
    }

    /// What happened in the last minute, and how many seconds that is.
    pub(crate) fn last_minute(&self) -> (Happened, f64) {
        let (now, uptime) = (self.clock.now(), self.clock.uptime());
        self.lock().rates.last_minute(now, uptime)
    }

    /// Identifies this sequence of events.
    pub fn history(&self) -> &str {
        &self.history
    }

    /// For the writer: what was decided since the last call, as much of it as one group commit takes; waits for
    /// something. `None` when the core is closed and nothing is left.
    pub(crate) fn take_pending(&self) -> Option<Vec<Change>> {
        let mut inner = self.lock();
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
                .map(|change| weight(&change.event.fact))
                .sum::<u64>();
            commit.extend(decision);
            if bytes >= COMMIT_BYTES || commit.len() >= COMMIT_EVENTS {
                break;
            }
        }
        Some(commit)
    }

    /// For the writer: these events are on disk.
    pub(crate) fn became_durable(&self, through: Seq) {
        self.durable.reached(through);
    }

    /// For the view: these events are in the store.
    pub(crate) fn left_store(&self, events: &[Arc<Event>]) {
        let removals = events.iter().filter_map(|event| match &event.fact {
            Fact::TaskRemoved { task, .. } => Some((&task.id, event.seq)),
            _ => None,
        });
        let removals: Vec<_> = removals.collect();
        if removals.is_empty() {
            return;
        }
        let mut inner = self.lock();
        for (task, seq) in removals {
            // The id may have been used again, and that task removed as well.
            if inner.leaving.get(task).is_some_and(|(_, latest)| *latest == seq) {
                inner.leaving.remove(task);
            }
        }
    }

    /// Lets the writer end once everything decided is durable.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.work.notify_one();
    }

    /// Whether nothing more is decided.
    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(|_| poisoned())
    }
}

/// A panic under the lock may have left the state half changed: nothing may be answered from it.
fn poisoned() -> ! {
    abort("a decision ended in the middle because of a bug in the coordinator")
}
