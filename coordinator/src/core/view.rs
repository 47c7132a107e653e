//! The view: the thread that keeps the store in step with the journal, behind the answers.
//!
//! A batch ends at an event, holds every touched record as it is right after that event, and says so: the store is
//! exact after every batch, and a start replays the journal from there. The more work there is, the more goes into one
//! batch: of a task that was submitted, granted and finished within a batch, only its end is written.

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, TryRecvError},
    },
    thread,
};

use swarm_engine::{event::Event, noun::counts::Counts};

use super::Core;
use crate::{
    machine::clock::Stopwatch,
    program::{
        failure::{chain, end_after_write},
        limits::{
            CLAIM_FREE_BYTES, SPACE_PAUSE, STORE_BATCH_BYTES, STORE_BATCH_EVENTS, STORE_BATCH_OPERATIONS,
            STORE_FREE_BYTES, STORE_KEY_BYTES, STORE_PATIENCE, STORE_PAUSE, STORE_SCARCE_OPERATIONS,
        },
    },
    records::{self, Entry},
    store::{Batch, Store, StoreError, closing},
};

/// Work for the store's thread, done in the order in which it is sent.
pub(crate) enum Work {
    /// Durable events to write.
    Entries(Vec<Entry>),
    /// A look at the store between two batches, when it reflects everything that was sent before.
    Between(Box<dyn FnOnce(&Store) + Send>),
}

/// Works until nobody can send more, then flushes the store.
pub(crate) fn run(core: &Core, work: &Receiver<Work>) {
    let mut view = View::new(core.store.clone());
    while let Ok(first) = work.recv() {
        let is_going_on =
            take_in(core, &mut view, first) && collect(core, &mut view, work) && write(core, &mut view);
        if !is_going_on {
            // The journal has what is left; the next start goes on from there.
            while work.recv().is_ok() {}
            return;
        }
    }
    if let Err(error) = core.store.flush() {
        end_of(core, &error);
    }
}

/// Collects the work that comes within the store's patience: nobody waits for the store, and events that are written
/// together cost less. False when the coordinator stops before the disk has space.
fn collect(core: &Core, view: &mut View, work: &Receiver<Work>) -> bool {
    let began = Stopwatch::start();
    while began.elapsed() < STORE_PATIENCE {
        // Looking now and then spares the writer from waking this thread for each entry.
        thread::sleep(STORE_PAUSE);
        loop {
            match work.try_recv() {
                Ok(next) => {
                    if !take_in(core, view, next) {
                        return false;
                    }
                }
                Err(TryRecvError::Empty) => break,
                // The coordinator stops, and waits for this thread.
                Err(TryRecvError::Disconnected) => return true,
            }
        }
    }
    true
}

/// Adds entries to the batch, or does what is to be done between two. False when the coordinator stops before the disk
/// has space.
fn take_in(core: &Core, view: &mut View, work: Work) -> bool {
    match work {
        Work::Entries(entries) => entries.into_iter().all(|entry| {
            if let Err(error) = view.add(entry) {
                end_of(core, &error);
            }
            !view.is_full() || write(core, view)
        }),
        Work::Between(look) => {
            let is_written = write(core, view);
            if is_written {
                look(&core.store);
            }
            is_written
        }
    }
}

/// Writes the batch. False when the coordinator stops before the disk has space.
fn write(core: &Core, view: &mut View) -> bool {
    if !wait_for_space(core, view.bytes_to_write()) {
        return false;
    }
    match view.flush() {
        Ok(events) if events.is_empty() => {}
        Ok(events) => {
            core.left_store(&events);
            for event in events {
                let touched = event.fact.touches();
                core.outputs.release(&touched);
                core.admission.remove(&touched);
            }
            core.forget_finished();
        }
        // sled may have half of the batch in memory. The journal has everything: the next start goes on from there.
        Err(error) => end_of(core, &error),
    }
    true
}

/// Ends the process: nobody knows what the store has now.
fn end_of(core: &Core, error: &StoreError) -> ! {
    if error.is_damage() {
        closing::damaged(core.store.dir(), &chain(error));
    }
    end_after_write("the store", error, error.kind())
}

/// Waits until the disk has space for the store, which must not run out of it in the middle. False when the
/// coordinator stops before there is.
fn wait_for_space(core: &Core, needed: u64) -> bool {
    let lacks_space = || core.store.free_bytes().is_ok_and(|free| free < needed);
    if !lacks_space() {
        return true;
    }
    tracing::warn!("the disk is full: the store waits, and the journal goes on in what it has reserved");
    while lacks_space() {
        if core.is_closed() {
            return false;
        }
        thread::sleep(SPACE_PAUSE);
    }
    tracing::info!("the disk has space again: the store goes on");
    true
}

/// Collects events into batches of a bounded number of operations.
pub(crate) struct View {
    store: Store,
    batch: Batch,
    /// How many keys the batch may have.
    most_operations: usize,
    events: Vec<Arc<Event>>,
    /// How many tasks had ended right after the last of them.
    ended: Counts,
}

impl View {
    pub(crate) fn new(store: Store) -> View {
        View {
            store,
            most_operations: STORE_SCARCE_OPERATIONS,
            batch: Batch::default(),
            events: Vec::new(),
            ended: Counts::default(),
        }
    }

    /// Adds an event, also when it is full: that is for the caller to see to.
    pub(crate) fn add(&mut self, entry: Entry) -> Result<(), StoreError> {
        if self.events.is_empty() {
            let free = self.store.free_bytes().unwrap_or_default();
            self.most_operations = operations_with(free);
        }
        records::write(&self.store, &mut self.batch, &entry)?;
        self.events.push(entry.event);
        self.ended = entry.ended;
        Ok(())
    }

    /// Whether as much was collected as one batch should have.
    pub(crate) fn is_full(&self) -> bool {
        self.batch.operations() >= self.most_operations
            || self.batch.bytes() >= STORE_BATCH_BYTES
            || self.events.len() >= STORE_BATCH_EVENTS
    }

    /// What the disk must have to be sure that it takes what was collected.
    fn bytes_to_write(&self) -> u64 {
        STORE_FREE_BYTES.max(self.batch.operations() as u64 * STORE_KEY_BYTES)
    }

    /// Applies what was collected, and returns its events.
    pub(crate) fn flush(&mut self) -> Result<Vec<Arc<Event>>, StoreError> {
        let Some(last) = self.events.last() else {
            return Ok(Vec::new());
        };
        let through = last.seq.0;
        records::meta::write_end(&mut self.batch, last, &self.ended);
        self.store.apply(std::mem::take(&mut self.batch), through)?;
        Ok(std::mem::take(&mut self.events))
    }
}

/// Keys that so many free bytes are enough for, beside what claims are left.
fn operations_with(free: u64) -> usize {
    let for_store = free.saturating_sub(CLAIM_FREE_BYTES) / STORE_KEY_BYTES;
    usize::try_from(for_store)
        .unwrap_or(usize::MAX)
        .clamp(STORE_SCARCE_OPERATIONS, STORE_BATCH_OPERATIONS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_grows_with_the_disk_and_leaves_the_claims_their_space() {
        assert_eq!(operations_with(0), STORE_SCARCE_OPERATIONS);
        assert_eq!(operations_with(CLAIM_FREE_BYTES), STORE_SCARCE_OPERATIONS);
        assert_eq!(operations_with(CLAIM_FREE_BYTES + 2_000 * STORE_KEY_BYTES), 2_000);
        assert_eq!(operations_with(u64::MAX), STORE_BATCH_OPERATIONS);
    }
}
