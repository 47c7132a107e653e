//! The upkeep of the journal, about every second, by a thread of its own; and the tasks that run beside serving.
//!
//! The thread marks how far the journal is on disk, keeps space in reserve for it, and removes old events once a
//! snapshot has the records that they led to.

mod events;

pub(crate) mod retention;
pub(crate) mod scrub;
pub(crate) mod stored_ids;
pub(crate) mod timer;
pub(crate) mod wrong_clock;

#[cfg(test)]
mod tests;

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
};

use swarm_engine::time::Timestamp;

pub(crate) use events::KeepEvents;

use crate::{
    core::{
        Core,
        admission::{Load, Shortage},
        view::Work,
    },
    journal,
    machine::{data_dir::DataDir, thread::spawn},
    program::{
        failure::{abort, chain, is_of_the_disk},
        limits::{SUBMIT_FREE_BYTES, TRIM_RETRY, UPKEEP_INTERVAL},
    },
    snapshot::{self, Conduct, Origin, Snapshot, SnapshotError},
    store::{Frozen, Store, StoreError},
    stored,
};

/// See the module.
pub(crate) struct Upkeep {
    core: Arc<Core>,
    journal: journal::Upkeep,
    to_store: Sender<Work>,
    snapshots: PathBuf,
    keep: KeepEvents,
    /// After a failure, trimming is not tried before this time.
    trim_after: Timestamp,
    mark: Trouble,
    reserve: Trouble,
    shortage: Shortage,
}

impl Upkeep {
    pub(crate) fn new(
        core: Arc<Core>,
        journal: journal::Upkeep,
        to_store: Sender<Work>,
        dir: &DataDir,
        keep: KeepEvents,
    ) -> Upkeep {
        Upkeep {
            core,
            journal,
            to_store,
            snapshots: dir.snapshots(),
            keep,
            trim_after: Timestamp(0),
            mark: Trouble::default(),
            reserve: Trouble::default(),
            shortage: Shortage::default(),
        }
    }

    /// Runs until the other end of `stop` is dropped: by then the last entry is on disk.
    pub(crate) fn run(mut self, stop: &Receiver<()>) {
        self.keep_ready();
        while stop.recv_timeout(UPKEEP_INTERVAL) == Err(RecvTimeoutError::Timeout) {
            self.once();
        }
        self.keep_ready();
    }

    /// The work of about every second.
    pub(crate) fn once(&mut self) {
        self.keep_ready();
        self.trim_if_due();
    }

    /// Marks how far the journal is on disk, reserves space for it, and measures the disk: none of this is put off.
    fn keep_ready(&mut self) {
        let marked = self.journal.write_high_water();
        if let Err(error) = &marked
            && is_of_the_disk(error)
        {
            // As in the journal: on a failing disk, a second try that succeeds proves nothing.
            abort(&chain(error));
        }
        self.mark.note(marked);
        self.reserve.note(self.journal.replenish());
        self.measure();
    }

    fn measure(&mut self) {
        // A file system that does not say how much is free is taken for one with space.
        let Ok(free) = self.core.store().free_bytes() else {
            return;
        };
        let before = self.shortage;
        self.shortage = before.with(free);
        if before == self.shortage {
            return;
        }
        self.core.set_shortage(self.shortage);
        let (free_mib, reserved) = (free >> 20, self.journal.reserved_bytes());
        match self.shortage {
            Shortage::Nothing => tracing::info!(free_mib, "the disk has space again: submits are taken"),
            Shortage::Submits => tracing::warn!(free_mib, "the disk is almost full: submits are refused"),
            Shortage::Claims => tracing::error!(
                free_mib,
                bytes = reserved,
                "the disk is full: submits and claims are refused, \
                 and what has begun can end in what the journal has reserved"
            ),
        }
    }

    fn trim_if_due(&mut self) {
        let now = self.core.clock().now();
        if now < self.trim_after {
            return;
        }
        let trimmed = match self.keep_from(now) {
            Ok(Some(keep_from)) => self.trim(keep_from),
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = trimmed {
            if self.core.is_closed() {
                // The next run has time enough for it.
                return;
            }
            self.trim_after = now + TRIM_RETRY;
            tracing::error!(error, "cannot remove old events");
        }
    }

    fn keep_from(&self, now: Timestamp) -> Result<Option<u64>, String> {
        let segments = self.journal.segments();
        let too_many = self.keep.trimmed_to_bytes(&segments);
        if !self.core.knows_ages() {
            return Ok(too_many);
        }
        let too_old = self
            .keep
            .trimmed_to_age(&segments, now, |seq| self.time_of(seq))?;
        Ok(too_many.max(too_old))
    }

    fn time_of(&self, seq: u64) -> Result<Timestamp, String> {
        let page = self.core.journal().read(seq, seq, 1);
        let (seq, bytes) = page
            .map_err(|error| chain(&error))?
            .pop()
            .ok_or_else(|| format!("seq {seq} is not on disk yet"))?;
        let event = stored::decode(swarm_engine::id::Seq(seq), bytes).map_err(|error| chain(&error))?;
        Ok(event.time)
    }

    /// Removes the events before `keep_from`, and fewer when a snapshot would become useless without them.
    fn trim(&mut self, keep_from: u64) -> Result<(), String> {
        if self.covered()? + 1 < keep_from {
            self.take_snapshot()?;
        }
        let keep_from = keep_from.min(self.covered()? + 1);
        let oldest = self.core.journal().oldest_seq();
        let removed = self.journal.trim(keep_from).map_err(|error| chain(&error))?;
        if removed > 0 {
            tracing::info!(
                oldest_seq = self.core.journal().oldest_seq(),
                records = self.core.journal().oldest_seq().saturating_sub(oldest),
                bytes = removed,
                "removed old events: see --keep-events and --keep-events-bytes"
            );
        }
        Ok(())
    }

    /// The seq up to which the snapshots stand in for the journal: of two snapshots the older has to stay useful.
    fn covered(&self) -> Result<u64, String> {
        let usable = snapshot::usable(&self.snapshots).map_err(|error| chain(&error))?;
        let kept = usable.get(1).or(usable.first());
        Ok(kept.map_or(0, |snapshot| snapshot.origin().seq))
    }

    /// Refuses a snapshot that would fill the disk.
    fn check_space(&self) -> Result<(), String> {
        let usable = snapshot::usable(&self.snapshots).map_err(|error| chain(&error))?;
        let expected = match usable.first() {
            Some(last) => last.bytes() / 2 * 3,
            None => self.core.store().size_on_disk().map_err(|error| chain(&error))?,
        };
        match self.core.store().free_bytes() {
            Ok(free) if free < SUBMIT_FREE_BYTES + expected => Err(format!(
                "a snapshot comes first, and takes about {} MiB; the disk has {} MiB left",
                expected >> 20,
                free >> 20
            )),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Has a thread take a snapshot of the store as it is after the next batch, and goes on keeping ready meanwhile.
    fn take_snapshot(&mut self) -> Result<(), String> {
        self.check_space()?;
        tracing::info!("taking a snapshot: it rests in between, so that serving goes on");
        let began = self.core.clock().now();
        let (reply, taken) = channel();
        let (core, snapshots, keep) = (Arc::clone(&self.core), self.snapshots.clone(), self.keep);
        let begin = Box::new(move |store: &Store| {
            let (store, frozen) = (store.clone(), store.freeze());
            let failed = reply.clone();
            let thread = spawn("snapshot", move || {
                let taken = take(&core, store, frozen, &snapshots, keep);
                // The upkeep waits for it, or has ended.
                let _ = reply.send(taken);
            });
            if let Err(failure) = thread {
                let _ = failed.send(Err(failure.to_string()));
            }
        });
        let ended = || "the thread that keeps the store has ended".to_owned();
        self.to_store.send(Work::Between(begin)).map_err(|_| ended())?;
        let snapshot = loop {
            match taken.recv_timeout(UPKEEP_INTERVAL) {
                Ok(taken) => break taken?,
                Err(RecvTimeoutError::Timeout) => self.keep_ready(),
                Err(RecvTimeoutError::Disconnected) => return Err(ended()),
            }
        };
        let ended = self.core.clock().now();
        let took = ended - began;
        self.core.meters().snapshot_taken(ended, took);
        tracing::info!(
            seq = snapshot.origin().seq,
            records = snapshot.count(),
            bytes = snapshot.bytes(),
            duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            "took a snapshot"
        );
        Ok(())
    }
}

/// A snapshot of a frozen store.
fn take(
    core: &Core,
    store: Store,
    frozen: Frozen,
    snapshots: &std::path::Path,
    keep: KeepEvents,
) -> Result<Snapshot, String> {
    let seq = frozen.seq();
    let chain_there = core.journal().chain_after(seq).map_err(|error| chain(&error))?;
    let origin = Origin {
        seq,
        chain: chain_there,
        history: core.history().to_owned(),
    };
    let haste = || {
        if core.has_space_for(Load::Submit) {
            keep.haste(core.journal().bytes())
        } else {
            1.0
        }
    };
    let conduct = Conduct {
        is_stopping: &|| core.is_closed(),
        haste: &haste,
    };
    match Snapshot::take_beside(&store, frozen, snapshots, &origin, &conduct) {
        Ok(snapshot) => Ok(snapshot),
        // The outcome of an interrupted flush is unknown. The journal has everything.
        Err(SnapshotError::Store(error @ StoreError::Io { .. })) => {
            abort(&format!("cannot sync the store: {}", chain(&error)))
        }
        Err(error) => Err(format!("cannot take a snapshot: {}", chain(&error))),
    }
}

/// A failure that may occur every second, and is told once.
#[derive(Default)]
struct Trouble(Option<io::ErrorKind>);

impl Trouble {
    fn note(&mut self, outcome: io::Result<()>) {
        match outcome {
            Ok(()) => {
                if self.0.take().is_some() {
                    tracing::info!("the journal's files can be looked after again");
                }
            }
            Err(error) => {
                if self.0.replace(error.kind()) != Some(error.kind()) {
                    tracing::warn!(error = chain(&error), "cannot look after the journal's files");
                }
            }
        }
    }
}
