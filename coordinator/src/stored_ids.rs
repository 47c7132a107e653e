//! Which ids the store may have, so that a new task's id is not looked up in vain.
//!
//! It remembers the tasks that are not in memory, and errs on one side only: an id that it does not have is not in
//! the store. It is filled beside serving, when no id is missing in the store; until then every id may be there. What is removed from the store stays
//! here, so it is filled anew when most of it is gone.

use std::sync::Arc;

use swarm_engine::id::TaskId;
use tokio_util::sync::CancellationToken;
use xxhash_rust::xxh3::xxh3_128;

use crate::{
    core::Core,
    failure::chain,
    limits::{MAX_STORED_IDS_BYTES, RETENTION_INTERVAL, STORED_IDS_STEP},
    store::key,
};

/// Bits for each id: with so many places one id in about a thousand is looked up in vain.
const BITS_PER_ID: usize = 16;
const PLACES: u64 = 8;

/// Ids that the first part has room for; each further part has room for twice as many as the one before.
const FIRST_ROOM: usize = 1 << 16;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct StoredIds {
    /// Has every id that the store may have; `None` until it has been filled.
    whole: Option<Ids>,
    /// Being filled.
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
    pub(crate) fn may_have(&self, id: &TaskId) -> bool {
        self.whole.as_ref().is_none_or(|ids| ids.have(hash(id.as_str())))
    }

    /// A task is in the store, and perhaps not in memory.
    pub(crate) fn add(&mut self, id: &str) {
        let hash = hash(id);
        for ids in [&mut self.whole, &mut self.partial].into_iter().flatten() {
            ids.add(hash);
        }
    }

    /// From now on what is added is remembered for when everything else has been added.
    fn begin(&mut self) {
        self.partial = Some(Ids::default());
    }

    /// Everything that is in the store has been added since it began.
    fn end(&mut self) {
        self.whole = self.partial.take();
    }

    /// Whether most of it is gone when the store has so many tasks that have ended.
    fn is_outgrown(&self, ended: u64) -> bool {
        let count = self.whole.as_ref().map_or(0, |ids| ids.count);
        count > FIRST_ROOM && count as u64 / 2 > ended
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

    /// For how many ids another part is made, when one is needed. When there is no memory for it the last one becomes
    /// too full, and errs more often.
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
    /// With room for so many ids, a power of two.
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

/// Fills it, and fills it anew when most of it is gone, until the shutdown.
pub(crate) async fn run(core: Arc<Core>, shutdown: CancellationToken) {
    let work = async {
        // Before the ids have been read through, one that sled has lost would be taken for one that never was.
        core.ids_were_read().await;
        loop {
            let filled = tokio::task::spawn_blocking({
                let core = Arc::clone(&core);
                move || fill(&core)
            });
            match filled.await {
                Ok(Ok(())) => {}
                // Every id may be there then, as before.
                Ok(Err(error)) => {
                    core.lock().stored_ids.partial = None;
                    tracing::warn!(error, "cannot read which tasks the store has");
                }
                Err(_stopping) => return,
            }
            loop {
                tokio::time::sleep(RETENTION_INTERVAL).await;
                let inner = core.lock();
                if inner.stored_ids.is_outgrown(inner.state.ended().total())
                    || inner.stored_ids.whole.is_none()
                {
                    break;
                }
            }
        }
    };
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = work => {}
    }
}

/// Adds every id in the store. What leaves memory meanwhile is added by who forgets it.
pub(crate) fn fill(core: &Core) -> Result<(), String> {
    core.lock().stored_ids.begin();
    let mut keys = core.store.scan(key::ID, key::ID);
    loop {
        let step: Vec<Vec<u8>> = keys
            .by_ref()
            .take(STORED_IDS_STEP)
            .map(|entry| entry.map(|(key, _)| key))
            .collect::<Result<_, _>>()
            .map_err(|error| chain(&error))?;
        if core.is_closed() {
            return Ok(());
        }
        let mut inner = core.lock();
        if step.is_empty() {
            inner.stored_ids.end();
            return Ok(());
        }
        for key in &step {
            let id = key
                .strip_prefix(key::ID)
                .and_then(|id| std::str::from_utf8(id).ok());
            inner
                .stored_ids
                .add(id.ok_or("a task's id in the store is no text")?);
        }
    }
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
        assert!(ids.may_have(&id(1)));
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
        assert!(!ids.is_outgrown(FIRST_ROOM as u64) && ids.is_outgrown(100));
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
