//! The floor: what snapshots, the store and the high-water file say about a journal before it is opened. The journal
//! need not have events that a snapshot has, and must have events that were confirmed.

use super::high_water::Position;
use crate::journal::error::Witness;

/// The events that the caller has without the journal; zeros for none. The journal may begin right behind them, and
/// must not end before them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Floor {
    /// The last seq that the newest usable snapshot holds; 0 without one.
    pub snapshot_seq: u64,
    /// The chain after the entry that ends with `snapshot_seq`, if one does.
    pub snapshot_chain: Option<u64>,
    /// The last seq that the store reflects.
    pub store_seq: u64,
}

/// The floor, and the position in the journal's own high-water file.
pub(crate) struct Known {
    pub(crate) floor: Floor,
    pub(crate) high_water: Option<Position>,
}

impl Known {
    /// The last seq whose state can be had without the journal.
    pub(crate) fn reconstructible(&self) -> u64 {
        self.floor.snapshot_seq.max(self.floor.store_seq)
    }

    /// The last seq that is known to have been confirmed, and the witness.
    pub(crate) fn confirmed(&self) -> (u64, Witness) {
        let high_water = self.high_water.map_or(0, |position| position.seq);
        let witnesses = [
            (high_water, Witness::HighWater),
            (self.floor.snapshot_seq, Witness::Snapshot),
            (self.floor.store_seq, Witness::Store),
        ];
        let first = (0, Witness::Store);
        witnesses
            .into_iter()
            .fold(first, |most, other| if other.0 > most.0 { other } else { most })
    }

    /// Ends of entries whose chain is known, each with its witness.
    pub(crate) fn positions(&self) -> impl Iterator<Item = (Position, Witness)> {
        let seq = self.floor.snapshot_seq;
        let snapshot = self.floor.snapshot_chain.map(|chain| Position { seq, chain });
        let known = [
            (self.high_water, Witness::HighWater),
            (snapshot, Witness::Snapshot),
        ];
        known
            .into_iter()
            .filter_map(|(position, witness)| Some((position?, witness)))
            // Before the first entry there is no hash to compare.
            .filter(|(position, _)| position.seq > 0)
    }
}
