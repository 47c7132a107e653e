//! A store of the layout before leaves, in which sled had each key by itself, is brought to leaves when it is opened.

use super::{
    MAX_SLED_WRITES,
    error::{StoreError, at_sled},
    key::{CHUNK, kind_of},
    leaf::{self, Entry, LEAF_BYTES},
    value,
};

/// Gathers what lies alone, in the order of keys, each leaf at once. What was cut short is gone on with by the next call.
pub(super) fn gather(db: &sled::Db) -> Result<(), StoreError> {
    let last = db.range(..[CHUNK]).next_back().transpose();
    if last
        .map_err(at_sled("read"))?
        .is_none_or(|(_, raw)| value::is_leaf(&raw))
    {
        return Ok(());
    }
    tracing::info!("bringing the store to a newer layout");
    let mut together: Vec<Entry> = Vec::new();
    let mut bytes = 0;
    for entry in db.range(..[CHUNK]) {
        let entry = entry.map_err(at_sled("read"))?;
        if value::is_leaf(&entry.1) {
            continue;
        }
        // What is damaged is not to look whole as a part of a leaf.
        value::decode(&entry.0, &entry.1)?;
        let is_of_kind = together
            .first()
            .is_some_and(|(first, _)| kind_of(first) == kind_of(&entry.0));
        let more = bytes + leaf::bytes_of(&entry);
        if !is_of_kind || more > LEAF_BYTES || together.len() == MAX_SLED_WRITES {
            put(db, &together)?;
            together.clear();
            bytes = 0;
        }
        bytes += leaf::bytes_of(&entry);
        together.push(entry);
    }
    put(db, &together)
}

fn put(db: &sled::Db, together: &[Entry]) -> Result<(), StoreError> {
    let Some(((name, _), others)) = together.split_first() else {
        return Ok(());
    };
    let mut batch = sled::Batch::default();
    batch.insert(name, leaf::whole(name, together));
    for (key, _) in others {
        batch.remove(key);
    }
    db.apply_batch(batch).map_err(at_sled("write"))
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::store::{Batch, Store, key};

    /// As the layout before had it.
    fn scatter(store: &Store) {
        let reading = store.reading();
        let db = reading.db().unwrap();
        let leaves: Vec<Entry> = db.range(..[CHUNK]).map(Result::unwrap).collect();
        for (name, leaf) in leaves {
            db.remove(&name).unwrap();
            for (key, raw) in leaf::entries(&name, &leaf).unwrap() {
                db.insert(key, raw).unwrap();
            }
        }
    }

    #[test]
    fn a_store_of_single_keys_becomes_what_it_would_be_now_also_when_it_was_cut_short() {
        let dir = TempDir::new().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let mut batch = Batch::default();
        for number in 0..3_000_u64 {
            batch.put(key::live(number), vec![7; number as usize % 400]);
            batch.put(key::done(number), Vec::new());
            batch.put(key::id(&format!("task-{number}")), number.to_be_bytes().to_vec());
            batch.add_number(key::age(number * 10, number));
        }
        batch.put(key::output(1, 1), vec![1; 50_000]);
        store.apply(batch, 7).unwrap();
        let expected: Vec<_> = store.scan(&[], &[]).map(Result::unwrap).collect();
        let values = store.check().unwrap();

        scatter(&store);
        let leaves = || {
            let reading = store.reading();
            let entries = reading.db().unwrap().range(..[CHUNK]).map(Result::unwrap);
            entries.filter(|(_, raw)| value::is_leaf(raw)).count()
        };
        assert_eq!(leaves(), 0);
        {
            let reading = store.reading();
            let db = reading.db().unwrap();
            let first: Vec<Entry> = db.range(..[CHUNK]).take(3).map(Result::unwrap).collect();
            put(db, &first).unwrap();
        }
        assert_eq!(leaves(), 1);
        drop(store);

        let store = Store::open(dir.path()).unwrap();
        assert_eq!(store.check().unwrap(), values);
        assert_eq!(store.applied_seq(), 7);
        assert!(store.scan(&[], &[]).map(Result::unwrap).eq(expected));
        let mut batch = Batch::default();
        batch.remove(key::live(0));
        batch.put(key::id("a"), vec![1]);
        store.apply(batch, 8).unwrap();
        assert_eq!(store.get(&key::id("a")).unwrap().unwrap(), [1]);
        assert_eq!(store.check().unwrap(), values);
    }
}
