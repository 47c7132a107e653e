//! The view: keeps the store in step with the journal, behind the answers.
//!
//! A store batch ends at an event, holds every touched record as it is right
//! after that event, and says so: the store is exact after every batch, and
//! replay goes on from there.

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
    core::{Core, Entry},
    failure::end_after_write,
    limits::{SPACE_PAUSE, STORE_FREE_BYTES, STORE_PAUSE},
    outputs,
    records::{self, Write},
    store::{Batch, MAX_BATCH_OPERATIONS, Store, StoreError, key, operations_for},
    stored,
};

/// Names in `meta/` of what is known about the whole.
pub(crate) const LAST_TIME: &str = "last_time";
pub(crate) const ENDED: &str = "ended";
pub(crate) const FORMAT: &str = "format";

/// What lies where in the store; a store of another format is built anew from the journal.
pub(crate) const STORE_FORMAT: &[u8] = &[2];

/// Operations of a batch that are kept for what is known about the whole.
const WHOLE_OPERATIONS: usize = 3;
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
        // Nobody waits for the store. What comes within a moment goes together: many changes of one task become one
        // write, and what every batch costs is paid once.
        thread::sleep(STORE_PAUSE);
        for next in std::iter::once(first).chain(work.try_iter()) {
            match next {
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
        let applied = view.flush();
        done(core, applied);
    }
    if let Err(error) = core.store.flush() {
        end_after_write("the store", &error, error.kind());
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

    /// Adds an event. Returns the events that were applied to make room for it.
    pub(crate) fn add(&mut self, entry: Entry) -> Result<Vec<Arc<Event>>, StoreError> {
        let writes = self.writes(&entry)?;
        let operations: usize = writes
            .iter()
            .map(|(_, value)| operations_for(value.as_ref().map_or(0, Vec::len)))
            .sum();
        let applied = if self.batch.operations() + operations + WHOLE_OPERATIONS > MAX_BATCH_OPERATIONS {
            self.flush()?
        } else {
            Vec::new()
        };
        for (key, value) in writes {
            match value {
                Some(value) => self.batch.put(key, value),
                None => self.batch.remove(key),
            }
        }
        self.events.push(entry.event);
        self.ended = entry.ended;
        Ok(applied)
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
            writes.push((key::job(job.number.0), Some(stored::encode_job(job))));
        }
        if let Some(agent) = &entry.agent {
            writes.push((key::agent(agent.id.as_str()), Some(stored::encode_agent(agent))));
        }
        if let Some((number, attempt, output)) = outputs::of(&event.fact) {
            writes.push((
                key::output(number.0, attempt.0),
                Some(stored::encode_output(output)),
            ));
        }
        match &event.fact {
            // The event itself says all there is to say.
            Fact::CoordinatorStarted { .. } => {
                writes.push((key::meta(IDENTITY), Some(stored::encode(event).to_vec())));
                writes.push((key::meta(STARTED), Some(event.seq.0.to_be_bytes().to_vec())));
            }
            Fact::TaskRemoved { task, was } => {
                writes.extend(records::removal(&self.store, &self.batch, task, *was)?);
            }
            Fact::HoldPlaced(hold) => {
                writes.push((
                    key::hold(&hold.scope.to_string()),
                    Some(stored::encode_hold(hold)),
                ));
            }
            Fact::HoldLifted { hold, actor: _ } => writes.push((key::hold(&hold.scope.to_string()), None)),
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
                let value = limit.as_ref().map(stored::encode_limit);
                writes.push((key::limit(queue.as_str()), value));
            }
            Fact::JobRemoved { number, job: _ } => writes.push((key::job(number.0), None)),
            _ => {}
        }
        Ok(writes)
    }
}
