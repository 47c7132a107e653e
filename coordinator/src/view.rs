//! The view: keeps the store in step with the journal, behind the answers.
//!
//! A store batch ends at an event, holds every touched record as it is right
//! after that event, and says so: the store is exact after every batch, and
//! replay goes on from there. The more there is to do, the more goes into one
//! batch: of a task that was submitted, granted and finished within it, only
//! its end is written.

use std::{
    sync::{Arc, mpsc::Receiver},
    thread,
};

use swarm_engine::{
    counts::Counts,
    event::{Event, Fact},
    queue::QueueLimit,
};

use crate::{
    clock::Stopwatch,
    core::{Core, Entry},
    failure::end_after_write,
    limits::{
        SPACE_PAUSE, STORE_BATCH_BYTES, STORE_BATCH_EVENTS, STORE_BATCH_OPERATIONS, STORE_BUSY_OPERATIONS,
        STORE_FREE_BYTES, STORE_PATIENCE, STORE_PAUSE,
    },
    outputs,
    records::{self, Write},
    store::{Batch, Store, StoreError, key},
    stored,
};

/// Names in `meta/` of what is known about the whole.
pub(crate) const LAST_TIME: &str = "last_time";
pub(crate) const ENDED: &str = "ended";
pub(crate) const FORMAT: &str = "format";

/// What lies where in the store; a store of another format is built anew from the journal.
pub(crate) const STORE_FORMAT: &[u8] = &[3];

/// The event that the last start wrote, and its seq.
pub(crate) const IDENTITY: &str = "identity";
pub(crate) const STARTED: &str = "started_seq";

/// What the store's thread is given, in order.
pub(crate) enum Work {
    /// Durable events to write.
    Entries(Vec<Entry>),
    /// Something to do while the store stands still, reflecting everything that was given before.
    StandStill(Box<dyn FnOnce(&Store) + Send>),
}

/// Does what it is given until there is no more, then makes it last.
pub(crate) fn run(core: &Core, work: &Receiver<Work>) {
    let mut view = View::new(core.store.clone());
    while let Ok(first) = work.recv() {
        if !wait_for_space(core) {
            // The journal has what is left; the next start goes on from there.
            while work.recv().is_ok() {}
            return;
        }
        take_in(core, &mut view, first);
        let began = Stopwatch::start();
        loop {
            thread::sleep(STORE_PAUSE);
            for next in work.try_iter() {
                take_in(core, &mut view, next);
            }
            // Nobody waits for the store. While much is coming, it is worth waiting for more.
            if view.batch.operations() < STORE_BUSY_OPERATIONS || began.elapsed() >= STORE_PATIENCE {
                break;
            }
        }
        let applied = view.flush();
        done(core, applied);
    }
    if let Err(error) = core.store.flush() {
        end_after_write("the store", &error, error.kind());
    }
}

fn take_in(core: &Core, view: &mut View, work: Work) {
    match work {
        Work::Entries(entries) => {
            for entry in entries {
                let applied = view.add(entry);
                done(core, applied);
            }
        }
        Work::StandStill(look) => {
            let applied = view.flush();
            done(core, applied);
            look(&core.store);
        }
    }
}

/// Waits until the disk has space for the store, which must not run out of it in the middle. False when the
/// coordinator stops before there is.
fn wait_for_space(core: &Core) -> bool {
    let lacks_space = || core.store.free_bytes().is_ok_and(|free| free < STORE_FREE_BYTES);
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

fn done(core: &Core, applied: Result<Vec<Arc<Event>>, StoreError>) {
    match applied {
        Ok(events) => {
            core.left_store(&events);
            for event in events {
                core.outputs.release(&event);
                core.backlog.remove(&event.fact);
            }
            core.forget_finished();
        }
        // sled may have half of it in memory. The journal has everything: the next start goes on from there.
        Err(error) => end_after_write("the store", &error, error.kind()),
    }
}

/// Collects events into batches of a bounded number of operations.
pub(crate) struct View {
    store: Store,
    batch: Batch,
    events: Vec<Arc<Event>>,
    /// How many tasks had ended right after the last of them.
    ended: Counts,
}

impl View {
    pub(crate) fn new(store: Store) -> View {
        View {
            store,
            batch: Batch::default(),
            events: Vec::new(),
            ended: Counts::default(),
        }
    }

    /// Adds an event. Returns the events that were applied because the batch was full.
    pub(crate) fn add(&mut self, entry: Entry) -> Result<Vec<Arc<Event>>, StoreError> {
        for write in self.writes(&entry)? {
            write.add_to(&mut self.batch);
        }
        self.events.push(entry.event);
        self.ended = entry.ended;
        let is_full = self.batch.operations() >= STORE_BATCH_OPERATIONS
            || self.batch.bytes() >= STORE_BATCH_BYTES
            || self.events.len() >= STORE_BATCH_EVENTS;
        if is_full { self.flush() } else { Ok(Vec::new()) }
    }

    /// Applies what was collected, and returns its events.
    pub(crate) fn flush(&mut self) -> Result<Vec<Arc<Event>>, StoreError> {
        let Some(last) = self.events.last() else {
            return Ok(Vec::new());
        };
        let through = last.seq.0;
        self.batch.set_meta(LAST_TIME, last.time.0.to_be_bytes().to_vec());
        self.batch.set_meta(ENDED, stored::encode_ended(&self.ended));
        self.batch.set_meta(FORMAT, STORE_FORMAT.to_vec());
        self.store.apply(std::mem::take(&mut self.batch), through)?;
        Ok(std::mem::take(&mut self.events))
    }

    /// What an event changes in the store.
    fn writes(&self, entry: &Entry) -> Result<Vec<Write>, StoreError> {
        let event = &entry.event;
        let mut writes = Vec::new();
        if let Some(task) = &entry.task {
            writes.extend(records::writes(task, &event.fact));
        }
        if let Some(job) = &entry.job {
            writes.push(Write::Put(key::job(job.number.0), stored::encode_job(job)));
        }
        if let Some(agent) = &entry.agent {
            writes.push(Write::Put(
                key::agent(agent.id.as_str()),
                stored::encode_agent(agent),
            ));
        }
        if let Some((number, attempt, output)) = outputs::of(&event.fact) {
            writes.push(Write::Put(
                key::output(number.0, attempt.0),
                stored::encode_output(output),
            ));
        }
        match &event.fact {
            // The event itself says all there is to say.
            Fact::CoordinatorStarted { .. } => {
                writes.push(Write::Put(key::meta(IDENTITY), stored::encode(event).to_vec()));
                writes.push(Write::Put(key::meta(STARTED), event.seq.0.to_be_bytes().to_vec()));
            }
            Fact::TaskRemoved { task, was } => {
                writes.extend(records::removal(&self.store, &self.batch, task, *was)?);
            }
            Fact::HoldPlaced(hold) => {
                writes.push(Write::Put(
                    key::hold(&hold.scope.to_string()),
                    stored::encode_hold(hold),
                ));
            }
            Fact::HoldLifted { hold, actor: _ } => {
                writes.push(Write::Remove(key::hold(&hold.scope.to_string())));
            }
            Fact::QueueLimited {
                queue,
                max_running,
                actor,
            } => {
                let limit = max_running.map(|max_running| QueueLimit {
                    queue: queue.clone(),
                    max_running,
                    actor: actor.clone(),
                });
                let key = key::limit(queue.as_str());
                writes.push(match &limit {
                    Some(limit) => Write::Put(key, stored::encode_limit(limit)),
                    None => Write::Remove(key),
                });
            }
            Fact::JobRemoved { number, job: _ } => writes.push(Write::Remove(key::job(number.0))),
            _ => {}
        }
        Ok(writes)
    }
}
