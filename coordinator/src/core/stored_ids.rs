//! Which ids the store may have, so that a new task's id is not looked up in vain.
//!
//! It remembers the ids of tasks that are not in memory, and errs on one side only: an id that it does not have is not
//! in the store. Until it was filled, every id may be there. An id that leaves the store stays here, so it is filled
//! anew when most of its ids are gone: see `upkeep/stored_ids.rs`.

use swarm_engine::id::TaskId;
use xxhash_rust::xxh3::xxh3_128;

use crate::program::limits::MAX_STORED_IDS_BYTES;

/// Bits for each id: with so many, about one new id in a thousand is looked up in vain.
const BITS_PER_ID: usize = 16;
const PLACES: u64 = 8;

/// Ids that the first part has room for; each further part has room for twice as many as the one before.
const FIRST_ROOM: usize = 1 << 16;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct StoredIds {
    /// Every id that the store may have; `None` until all are known.
    whole: Option<Ids>,
    /// Ids added so far, while these are being filled.
    partial: Option<Ids>,
}

/// A growing Bloom filter.
#[derive(Debug, Default)]
struct Ids {
    parts: Vec<Part>,
    count: usize,
}

#[derive(Debug)]
struct Part {
    words: Vec<u64>,
    count: usize,
}

impl StoredIds {
    /// Whether the store may have a task with this id that is not in memory.
    pub(super) fn may_have(&self, id: &TaskId) -> bool {
        self.whole.as_ref().is_none_or(|ids| ids.have(hash(id.as_str())))
    }

    /// Adds the id of a task that is in the store, and perhaps not in memory.
    pub(super) fn add(&mut self, id: &str) {
        let hash = hash(id);
        for ids in [&mut self.whole, &mut self.partial].into_iter().flatten() {
            ids.add(hash);
        }
    }

    /// Begins to fill it: from now on, added ids are also kept for `end`.
    pub(super) fn begin(&mut self) {
        self.partial = Some(Ids::default());
    }

    /// Every id of the store has been added since `begin`.
    pub(super) fn end(&mut self) {
        self.whole = self.partial.take();
    }

    /// The store could not be read: ids that were added before are no longer kept for `end`.
    pub(super) fn give_up(&mut self) {
        self.partial = None;
    }

    /// Whether it has to be filled when the store has so many tasks that have ended: it never was, or most of its ids
    /// are gone.
    pub(super) fn is_to_be_filled(&self, ended: u64) -> bool {
        self.whole
            .as_ref()
            .is_none_or(|ids| ids.count > FIRST_ROOM && ids.count as u64 / 2 > ended)
    }
}

impl Ids {
    fn have(&self, hash: u128) -> bool {
        self.parts.iter().any(|part| part.has(hash))
    }

    fn add(&mut self, hash: u128) {
        if self.have(hash) {
            return;
        }
        self.count += 1;
        if let Some(room) = self.room_of_next() {
            self.parts.push(Part::with(room));
        }
        if let Some(last) = self.parts.last_mut() {
            last.add(hash);
        }
    }

    /// For how many ids the next part has room, when a next part is needed. When there is no memory for it, the last
    /// part becomes too full and errs more often.
    fn room_of_next(&self) -> Option<usize> {
        let Some(last) = self.parts.last() else {
            return Some(FIRST_ROOM);
        };
        let room = self.parts.iter().map(Part::room).sum::<usize>() + 2 * last.room();
        let is_needed = last.count >= last.room() && room <= MAX_STORED_IDS_BYTES * 8 / BITS_PER_ID;
        is_needed.then_some(2 * last.room())
    }
}

impl Part {
    /// A part with room for so many ids, a power of two.
    fn with(room: usize) -> Part {
        Part {
            words: vec![0; room * BITS_PER_ID / 64],
            count: 0,
        }
    }

    fn room(&self) -> usize {
        self.words.len() * 64 / BITS_PER_ID
    }

    fn has(&self, hash: u128) -> bool {
        self.places(hash).all(|(word, bit)| self.words[word] & bit != 0)
    }

    fn add(&mut self, hash: u128) {
        self.count += 1;
        for (word, bit) in self.places(hash) {
            self.words[word] |= bit;
        }
    }

    fn places(&self, hash: u128) -> impl Iterator<Item = (usize, u64)> + use<> {
        let (first, step) = (hash as u64, (hash >> 64) as u64 | 1);
        let mask = self.words.len() as u64 * 64 - 1;
        (0..PLACES).map(move |place| {
            let bit = first.wrapping_add(step.wrapping_mul(place)) & mask;
            ((bit / 64) as usize, 1 << (bit % 64))
        })
    }
}

fn hash(id: &str) -> u128 {
    xxh3_128(id.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: usize) -> TaskId {
        TaskId::stored(&format!("task-{number}"))
    }

    #[test]
    fn every_id_may_be_stored_until_all_are_known() {
        let mut ids = StoredIds::default();
        assert!(ids.may_have(&id(1)) && ids.is_to_be_filled(0));
        ids.begin();
        ids.add("task-1");
        assert!(ids.may_have(&id(2)));
        ids.end();
        assert!(ids.may_have(&id(1)) && !ids.may_have(&id(2)));
        ids.add("task-2");
        assert!(ids.may_have(&id(2)));
    }

    #[test]
    fn what_is_added_is_found_and_little_else() {
        let mut ids = StoredIds::default();
        ids.begin();
        ids.end();
        let count = 3 * FIRST_ROOM;
        for number in 0..count {
            ids.add(id(number).as_str());
        }
        assert!((0..count).all(|number| ids.may_have(&id(number))));
        let others = count..2 * count;
        let wrong = others.filter(|number| ids.may_have(&id(*number))).count();
        assert!(wrong < count / 200, "{wrong} of {count}");
    }

    #[test]
    fn it_is_filled_anew_when_most_of_it_is_gone() {
        let mut ids = StoredIds::default();
        ids.begin();
        ids.end();
        for number in 0..2 * FIRST_ROOM {
            ids.add(id(number).as_str());
        }
        assert!(!ids.is_to_be_filled(FIRST_ROOM as u64) && ids.is_to_be_filled(100));
        ids.begin();
        ids.add("task-7");
        assert!(ids.may_have(&id(8)));
        ids.end();
        assert!(ids.may_have(&id(7)) && !ids.may_have(&id(8)));
    }

    #[test]
    fn it_never_takes_more_than_its_share() {
        let mut ids = Ids::default();
        ids.parts
            .push(Part::with(MAX_STORED_IDS_BYTES * 8 / BITS_PER_ID / 4));
        ids.parts[0].count = ids.parts[0].room();
        ids.add(hash("one"));
        assert_eq!(ids.parts.len(), 2);
        ids.parts[1].count = ids.parts[1].room();
        ids.add(hash("two"));
        assert_eq!(ids.parts.len(), 2);
        assert!(ids.have(hash("one")) && ids.have(hash("two")));
    }
}
