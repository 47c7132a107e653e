//! What is known about a journal from elsewhere before it is opened: what need not
//! be in it any more, and what must be.

use super::high_water::Position;
use crate::journal::error::Witness;

/// What the caller has beside the journal. The journal may begin right behind it, and
/// must not end before it. All zeros: nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Floor {
    /// The last seq that the newest usable snapshot holds; 0 without one.
    pub snapshot_seq: u64,
    /// The chain after the entry that ends with `snapshot_seq`, if one does.
    pub snapshot_chain: Option<u64>,
    /// The last seq that the store reflects.
    pub store_seq: u64,
}

/// The floor, and what the journal's own high-water file says.
pub(crate) struct Known {
    pub(crate) floor: Floor,
    pub(crate) high_water: Option<Position>,
}

impl Known {
    /// The last seq that the state can be brought to without the journal.
    pub(crate) fn reconstructible(&self) -> u64 {
        self.floor.snapshot_seq.max(self.floor.store_seq)
    }

    /// The last seq that was confirmed, as far as anybody knows, and who knows it.
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

    /// The ends of entries whose hashes are known.
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
