//! Goes through a trace and loses power after every operation on journal and snapshots.

use std::{collections::BTreeMap, fs, path::Path, thread};

use swarm_coordinator::{
    journal::{Floor, Journal, Options},
    snapshot::Snapshot,
};

use crate::{
    disk::{Disk, Loss, write_files},
    recording::{SEGMENT_BYTES, memory_dir},
    trace::{Operation, Trace},
};

const JOURNAL: &str = "journal/";
const SNAPSHOTS: &str = "snapshot/";

/// Each goes through all of the trace and looks closely at a part of it.
const THREADS: usize = 2;

/// A fault that is planted in a recording, as if the coordinator had it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sabotage {
    None,
    NoSyncOfSegments,
    /// Done when the answer has left.
    LateSyncOfSegments,
    NoSyncOfNames,
    NoSyncOfSnapshots,
}

/// Counts of everything that was tried.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Report {
    /// Operations after which power was lost.
    pub(crate) points: usize,
    /// Openings where everything had been synced.
    pub(crate) whole: usize,
    /// Openings without what had not been synced.
    pub(crate) dropped: usize,
    /// Openings with all that had not been synced.
    pub(crate) kept: usize,
    /// Openings with some of it.
    pub(crate) torn: usize,
    /// Openings that cut an unfinished entry.
    pub(crate) cut_ends: usize,
    /// Snapshots that the journal stood on.
    pub(crate) snapshots: usize,
}

/// Loses power after each operation.
///
/// # Errors
///
/// A sentence about what was lost, or refused, for the first time.
pub(crate) fn replay(trace: &Trace, sabotage: Sabotage) -> Result<Report, String> {
    let is_segment = |path: &str| path.starts_with(JOURNAL) && path.ends_with(".seg");
    let sabotaged = match sabotage {
        Sabotage::None => None,
        Sabotage::NoSyncOfSegments => Some(trace.without_syncs(is_segment, false)),
        Sabotage::LateSyncOfSegments => Some(trace.without_syncs(is_segment, true)),
        Sabotage::NoSyncOfNames => Some(trace.without_syncs(|path| path == "journal", false)),
        Sabotage::NoSyncOfSnapshots => Some(trace.without_syncs(|path| path.starts_with("snapshot"), false)),
    };
    let trace = sabotaged.as_ref().unwrap_or(trace);
    let length = trace.operations().count();
    let parts: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|part| {
                let wanted = length * part / THREADS..length * (part + 1) / THREADS;
                scope.spawn(move || Replay::default().run(trace, wanted))
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mut all = Report::default();
    for part in parts {
        let part = part?;
        all.points += part.points;
        all.whole += part.whole;
        all.dropped += part.dropped;
        all.kept += part.kept;
        all.torn += part.torn;
        all.cut_ends += part.cut_ends;
        all.snapshots += part.snapshots;
    }
    Ok(all)
}

#[derive(Default)]
struct Replay {
    disk: Disk,
    report: Report,
    /// The last event that a client has seen.
    acknowledged: u64,
    /// The last event of each opening, with its hash: there is one history.
    chains: BTreeMap<u64, u64>,
    /// The snapshots at the last look, and the seq of the newest.
    snapshots: (Vec<(String, usize, bool)>, Floor),
    /// The last seq of each opening since journal and snapshots were last changed.
    reached: Vec<(Loss, u64)>,
}

impl Replay {
    fn run(mut self, trace: &Trace, wanted: std::ops::Range<usize>) -> Result<Report, String> {
        let dir = memory_dir();
        for (index, operation) in trace.operations().enumerate().take(wanted.end) {
            self.disk.apply(operation);
            let is_ours = |path: &str| path.starts_with("journal") || path.starts_with("snapshot");
            let is_change = match operation {
                Operation::Acknowledge(acknowledged) => {
                    self.acknowledged = self.acknowledged.max(acknowledged.seq);
                    false
                }
                Operation::Open { path, .. }
                | Operation::Write { path, .. }
                | Operation::Length { path, .. }
                | Operation::Sync { path }
                | Operation::Unlink { path }
                | Operation::MakeDirectory { path }
                | Operation::Rename { from: path, .. } => is_ours(path) || path.is_empty(),
            };
            if !wanted.contains(&index) {
                continue;
            }
            let at = |violation| format!("after operation {index}, {operation:?}: {violation}");
            if is_change || self.reached.is_empty() {
                self.lose_power(index, dir.path()).map_err(at)?;
                self.report.points += 1;
            }
            for &(loss, last) in &self.reached {
                if last < self.acknowledged {
                    let violation = format!(
                        "what was not synced is {loss:?}: seq {} was acknowledged, and the journal ends with {last}",
                        self.acknowledged
                    );
                    return Err(at(violation));
                }
            }
        }
        Ok(self.report)
    }

    fn lose_power(&mut self, index: usize, dir: &Path) -> Result<(), String> {
        self.reached.clear();
        if !self.disk.is_dirty(JOURNAL) && !self.disk.is_dirty(SNAPSHOTS) {
            self.report.whole += 1;
            return self.open(Loss::Dropped, dir);
        }
        for loss in [Loss::Dropped, Loss::Kept, Loss::Torn(index as u64)] {
            match loss {
                Loss::Dropped => self.report.dropped += 1,
                Loss::Kept => self.report.kept += 1,
                Loss::Torn(_) => self.report.torn += 1,
            }
            self.open(loss, dir)
                .map_err(|violation| format!("what was not synced is {loss:?}: {violation}"))?;
        }
        Ok(())
    }

    /// Opens what is left, as a start does.
    fn open(&mut self, loss: Loss, dir: &Path) -> Result<(), String> {
        let floor = self.floor(loss, dir)?;
        let journal = dir.join(JOURNAL);
        let _ = fs::remove_dir_all(&journal);
        write_files(dir, &self.disk.after(loss, JOURNAL));
        let options = Options {
            segment_bytes: SEGMENT_BYTES,
        };
        let opened = Journal::open(&journal, options, floor).map_err(|error| format!("refused: {error}"))?;
        self.report.cut_ends += usize::from(opened.torn.is_some());
        let position = opened.journal.upkeep().position();
        let chain = *self.chains.entry(position.seq).or_insert(position.chain);
        if position.seq > 0 && chain != position.chain {
            return Err(format!("seq {} is another event than before", position.seq));
        }
        self.reached.push((loss, position.seq));
        Ok(())
    }

    /// The journal as the remaining snapshots witness it.
    fn floor(&mut self, loss: Loss, dir: &Path) -> Result<Floor, String> {
        let mut list = self.disk.list_after(loss, SNAPSHOTS);
        list.retain(|(name, ..)| !name.ends_with(".tmp"));
        let are_synced = list.iter().all(|(.., is_synced)| *is_synced);
        if are_synced && list == self.snapshots.0 {
            return Ok(self.snapshots.1);
        }
        let _ = fs::remove_dir_all(dir.join(SNAPSHOTS));
        write_files(dir, &self.disk.after(loss, SNAPSHOTS));
        let newest = match list.is_empty() {
            true => None,
            false => Snapshot::newest(&dir.join(SNAPSHOTS)).map_err(|error| format!("refused: {error}"))?,
        };
        let mut floor = Floor::default();
        if let Some(newest) = newest {
            let check = newest.check();
            check.map_err(|error| format!("the snapshot is damaged: {error}"))?;
            floor.snapshot_seq = newest.origin().seq;
            floor.snapshot_chain = newest.origin().chain;
            self.report.snapshots += 1;
        }
        self.snapshots = (list, floor);
        Ok(floor)
    }
}
