//! A frozen store is read as it was, whatever is written meanwhile.

use std::collections::BTreeMap;

use tempfile::TempDir;

use super::{Chance, OUTPUT_BYTES, bytes, open};
use crate::{
    records::{output, task::key},
    store::{Batch, Store},
};

/// Puts and removes some keys, with short and long values, before and behind the reader.
pub(super) fn change(store: &Store, chance: &mut Chance, writes: usize) {
    let mut batch = Batch::default();
    for _ in 0..writes {
        let number = chance.below(900);
        let key = match chance.below(3) {
            0 => key::live(number),
            1 => key::done(number),
            _ => output::key(number, 1),
        };
        match chance.below(8) {
            0 | 1 => batch.remove(key),
            2 => batch.put(key, bytes(OUTPUT_BYTES / 8, chance.below(1 << 40))),
            3 => batch.put(key, bytes(5_000, chance.below(1 << 40))),
            _ => batch.put(key, bytes(chance.below(300) as usize, chance.below(1 << 40))),
        }
        let place = key::age(chance.below(50_000), number);
        match chance.below(3) {
            0 => batch.take_number(place),
            _ => batch.add_number(place),
        }
    }
    store.apply(batch, store.applied_seq() + 1).unwrap();
}

fn contents(store: &Store) -> BTreeMap<Vec<u8>, Vec<u8>> {
    store.scan(&[], &[]).map(Result::unwrap).collect()
}

#[test]
fn it_is_what_the_store_was_whatever_is_written_meanwhile() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let mut chance = Chance(11);
    for _ in 0..10 {
        change(&store, &mut chance, 100);
    }
    for round in 0..6 {
        let expected = contents(&store);
        let frozen = store.freeze();
        assert_eq!(frozen.seq(), store.applied_seq());
        let mut found = BTreeMap::new();
        for (count, entry) in frozen.enumerate() {
            let (key, value) = entry.unwrap();
            assert!(found.last_key_value().is_none_or(|(last, _)| *last < key));
            found.insert(key, value);
            if count.is_multiple_of(97) {
                // Some fit one batch of sled's, some are windows.
                change(&store, &mut chance, 5 + round * 40);
            }
        }
        assert!(found == expected, "round {round}");
        assert!(contents(&store) != expected);
    }
    store.check().unwrap();
}

#[test]
fn what_is_given_up_costs_nothing_afterwards() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let mut chance = Chance(5);
    change(&store, &mut chance, 400);
    let mut frozen = store.freeze();
    frozen.next().unwrap().unwrap();
    change(&store, &mut chance, 400);
    assert!(store.shared.frozen.lock().unwrap().is_some());
    drop(frozen);
    assert!(store.shared.frozen.lock().unwrap().is_none());
    assert!(store.freeze().map(Result::unwrap).eq(contents(&store)));
}
