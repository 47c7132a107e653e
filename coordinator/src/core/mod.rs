//! The one way to the state: decide under the lock, journal, wait until durable.
//!
//! Nothing leaves before the state that it reflects is on disk: every answer, refusal and read waits until the last
//! event that it may have seen is durable.
//!
//! `lock` decides. Each request that is more than a decision has a file: claim, heartbeat, recall and so on. `writer`
//! and `view` are threads: the one makes events durable, the other brings them to the store.

pub(crate) mod admission;
pub(crate) mod budget;
mod lock;

mod claim;
mod forget;
mod heartbeat;
mod ids;
pub(crate) mod list;
pub(crate) mod overview;
mod prune;
mod prune_agents;
pub(crate) mod recall;

mod durable;
mod outputs;
mod tail;
pub(crate) mod view;
pub(crate) mod writer;

mod ids_read;
pub(crate) mod meters;
mod parked;
mod pins;
mod rates;
mod stored_ids;
mod waiters;
pub(crate) mod witness;

use std::{sync::Arc, time::Duration};

use swarm_engine::{
    command::expire,
    draft::{Change, Draft},
    event::Event,
    id::{AttemptNumber, Number, Seq},
    limits::CLOCK_TOLERANCE,
    noun::outcome::Output,
    rejection::Rejection,
    rule::fit::Liveness,
    state::State,
    time::Timestamp,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use self::{
    admission::{Admission, Load, Shortage},
    budget::Budget,
    durable::Durable,
    ids_read::IdsRead,
    lock::{Inner, Lock, Locked},
    meters::Meters,
    outputs::Outputs,
    rates::Happened,
    tail::Tail,
    witness::Witness,
};
use crate::{
    journal,
    machine::clock::Clock,
    program::limits::{EVENT_READERS, LISTS, MAX_STREAMS},
    store::Store,
};

/// See the module.
pub struct Core {
    lock: Lock,
    clock: Clock,
    budget: Budget,
    admission: Arc<Admission>,
    outputs: Arc<Outputs>,
    /// How far the journal is on disk.
    durable: Durable,
    /// The newest durable events.
    tail: Tail,
    /// All durable events that are kept.
    journal: journal::Reader,
    store: Store,
    ids_read: IdsRead,
    /// A turn for each request that may read the store for tasks that memory does not have.
    store_readers: Semaphore,
    /// The turn of the one who looks up names for a page of events.
    pub(crate) names: Semaphore,
    /// A turn for each page of a list that is made.
    lists: Arc<Semaphore>,
    /// A turn for each open stream of events.
    streams: Arc<Semaphore>,
    /// A turn for each reader of old events that reads the disk.
    event_readers: Arc<Semaphore>,
    meters: Arc<Meters>,
    history: Arc<str>,
    witness: Witness,
}

/// A value with the last event that it reflects, which is durable.
#[derive(Clone, Debug)]
pub struct Answer<T> {
    /// The value.
    pub value: T,
    /// The last event that it reflects.
    pub as_of: Seq,
}

impl Core {
    /// A core for this state. The events up to `durable` are on disk; `pending` are the changes since.
    pub(crate) fn new(
        state: State,
        clock: Clock,
        budget: Budget,
        journal: journal::Reader,
        store: Store,
        durable: Seq,
        pending: Vec<Change>,
    ) -> Core {
        let history = state
            .identity()
            .map_or_else(|| "".into(), |identity| identity.history.clone());
        let admission = Arc::new(Admission::new(budget.outputs));
        let outputs = Arc::new(Outputs::new(store.clone()));
        let lock = Lock::new(
            state,
            clock,
            Arc::clone(&admission),
            Arc::clone(&outputs),
            Arc::clone(&budget.state),
            pending,
        );
        Core {
            store_readers: Semaphore::new(budget.recall.readers),
            names: Semaphore::new(1),
            lock,
            clock,
            budget,
            admission,
            outputs,
            durable: Durable::new(durable),
            tail: Tail::new(durable),
            journal,
            ids_read: IdsRead::new(store.is_read()),
            store,
            lists: Arc::new(Semaphore::new(LISTS)),
            streams: Arc::new(Semaphore::new(MAX_STREAMS)),
            event_readers: Arc::new(Semaphore::new(EVENT_READERS)),
            meters: Arc::default(),
            history,
            witness: Witness::default(),
        }
    }

    /// Carries out a request: decides, and answers when the decision is durable.
    ///
    /// # Errors
    ///
    /// The decision's rejection, which waits as well until what it saw is durable.
    pub async fn execute<T>(
        &self,
        decision: impl FnOnce(&mut Draft<'_>) -> Result<T, Rejection>,
    ) -> Result<Answer<T>, Rejection> {
        let (result, as_of) = {
            let mut locked = self.lock();
            let result = locked.decide(decision);
            (result, locked.release())
        };
        self.until_durable(as_of).await;
        result.map(|value| Answer { value, as_of })
    }

    /// Looks at the state, for microseconds, and answers when everything that was seen is durable.
    pub async fn read<T>(&self, look: impl FnOnce(&State) -> T) -> Answer<T> {
        self.read_inner(|inner| look(&inner.state)).await
    }

    /// The same, with the claims and heartbeats that wait.
    async fn read_inner<T>(&self, look: impl FnOnce(&Inner) -> T) -> Answer<T> {
        let (value, as_of) = {
            let inner = self.lock();
            (look(&inner), inner.state.seq())
        };
        self.until_durable(as_of).await;
        Answer { value, as_of }
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
        self.peek(State::seq)
    }

    /// The name of this sequence of events.
    pub fn history(&self) -> &str {
        &self.history
    }

    /// Looks at the state, durable or not: nothing of it may be answered.
    pub(crate) fn peek<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.lock().state)
    }

    /// Whether the store's backlog has room for such a request.
    pub(crate) fn admits(&self, load: Load) -> bool {
        self.admission.admits(load)
    }

    /// Whether the disk has space for such a request.
    pub(crate) fn has_space_for(&self, load: Load) -> bool {
        self.admission.has_space_for(load)
    }

    /// Notes how short of space the disk is, and grants waiting claims what there is space for now.
    pub(crate) fn set_shortage(&self, shortage: Shortage) {
        self.admission.set_shortage(shortage);
        self.lock().grant_again();
    }

    /// The memory that others may take.
    pub(crate) fn budget(&self) -> &Budget {
        &self.budget
    }

    /// The clock that all parts of the coordinator share.
    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The records, as of a little while ago: see `Store::applied_seq`.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// The events on disk.
    pub(crate) fn journal(&self) -> &journal::Reader {
        &self.journal
    }

    /// The counts of events and calls.
    pub(crate) fn meters(&self) -> &Arc<Meters> {
        &self.meters
    }

    /// The output of an attempt; `None` when it reported nothing. This may wait for the store.
    ///
    /// # Errors
    ///
    /// A sentence when the store cannot be read.
    pub(crate) fn output(
        &self,
        number: Number,
        attempt: AttemptNumber,
    ) -> Result<Option<Arc<Output>>, String> {
        self.outputs.get(number, attempt)
    }

    /// At most `most` durable events, from `from` through `through`; `None` when the first of them is no longer in
    /// memory, but only in the journal.
    pub(crate) fn recent(&self, from: Seq, through: Seq, most: usize) -> Option<Vec<Arc<Event>>> {
        self.tail.page(from, through, most)
    }

    /// A turn for a stream of events; `None` when too many are open.
    pub(crate) fn stream_turn(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.streams).try_acquire_owned().ok()
    }

    /// A turn to make a page of a list.
    pub(crate) async fn list_turn(&self) -> Option<OwnedSemaphorePermit> {
        // It is never closed.
        Arc::clone(&self.lists).acquire_owned().await.ok()
    }

    /// A turn for a reader of old events.
    pub(crate) async fn event_reader_turn(&self) -> Option<OwnedSemaphorePermit> {
        // It is never closed.
        Arc::clone(&self.event_readers).acquire_owned().await.ok()
    }

    /// How many streams of events are open.
    pub(crate) fn open_streams(&self) -> usize {
        MAX_STREAMS.saturating_sub(self.streams.available_permits())
    }

    /// The counts of the last minute, and of how many seconds they are.
    pub(crate) fn last_minute(&self) -> (Happened, f64) {
        let (now, uptime) = (self.clock.now(), self.clock.uptime());
        self.lock().rates.last_minute(now, uptime)
    }

    /// The means to tell a live agent from a lost one now.
    pub(crate) fn liveness(&self, ttl: Duration) -> Liveness {
        Liveness {
            now: self.clock.now(),
            ttl,
            started: self.clock.started(),
        }
    }

    /// The same before anything is served.
    pub(crate) fn grace_at_start(&self, ttl: Duration) {
        let now = self.clock.now();
        self.lock().state.grace_at_start(now, ttl);
    }

    /// How far the time is ahead of the machine's wall clock since the start.
    pub(crate) fn ahead_of_wall(&self) -> Duration {
        self.peek(State::ahead_of_wall)
    }

    /// Whether it is known how old something is: not while the wall clock says another time than the journal.
    pub(crate) fn knows_ages(&self) -> bool {
        let now = self.clock.ahead_of_wall();
        self.peek(|state| state.ahead_of_wall_at(now)) <= CLOCK_TOLERANCE
    }

    /// The state when the wall clock was behind at the start.
    #[cfg(test)]
    pub(crate) fn be_ahead_of_wall(&self, ahead: Duration) {
        self.lock().state.set_ahead_of_wall(ahead);
    }

    /// For the timer: a wall clock that was behind at the start may have been set since.
    pub(crate) fn look_at_wall(&self) {
        let ahead = self.clock.ahead_of_wall();
        self.lock().state.look_at_wall(ahead);
    }

    /// Gives every lease a full TTL from now on, after the coordinator was paused.
    pub(crate) fn grace(&self, ttl: Duration) {
        let now = self.clock.now();
        self.lock().state.grace(now, ttl);
    }

    /// Lets the engine handle what is due. The answered event has to be durable before the next call.
    pub(crate) fn expire(&self, jitter: u64) -> Seq {
        let mut locked = self.lock();
        let result = locked.decide(|draft| expire::decide(draft, jitter));
        assert!(result.is_ok(), "time passing is never refused");
        locked.release()
    }

    /// When the timer has to wake next; remembered, so that a nearer deadline wakes it.
    pub(crate) fn plan_timer(&self) -> Option<Timestamp> {
        self.lock().plan_timer()
    }

    /// For the timer, see [`Lock::until_deadline_is_nearer`].
    pub(crate) async fn until_deadline_is_nearer(&self) {
        self.lock.until_deadline_is_nearer().await;
    }

    /// For the scrub: all ids of the store have been read, and none is missing.
    pub(crate) fn ids_are_read(&self) {
        self.ids_read.note();
    }

    /// Waits until all ids of the store have been read.
    pub(crate) async fn until_ids_are_read(&self) {
        self.ids_read.wait().await;
    }

    /// For the writer: the changes of the next group commit, see [`Lock::take_pending`].
    pub(crate) fn take_pending(&self) -> Option<Vec<Change>> {
        self.lock.take_pending()
    }

    /// For the writer: these events are on disk.
    pub(crate) fn became_durable(&self, through: Seq) {
        self.durable.reached(through);
    }

    /// Lets the writer end once everything decided is durable.
    pub(crate) fn close(&self) {
        self.lock.close();
    }

    /// Whether nothing more is decided.
    pub(crate) fn is_closed(&self) -> bool {
        self.lock().is_closed()
    }

    fn lock(&self) -> Locked<'_> {
        self.lock.take()
    }
}
