//! Keys in leaves are found and listed as in one sorted map.

use std::collections::BTreeMap;

use tempfile::TempDir;

use super::{Chance, bytes, open};
use crate::{
    records::task::key,
    store::{Batch, Store, key::META},
};

/// Kinds of which some are prefixes of others, and some sort next to each other.
const KINDS: [&str; 6] = ["a/", "ab/", "ab0/", "b/", "job/", "jobtask/"];

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

/// One of few keys, so that keys repeat; they have the bytes that sort first and last, and the slash.
fn some_key(chance: &mut Chance) -> Vec<u8> {
    let mut key = KINDS[chance.below(KINDS.len() as u64) as usize]
        .as_bytes()
        .to_vec();
    for _ in 0..chance.below(4) {
        key.push([0, 1, b'/', b'a', b'b', 0xFE, 0xFF][chance.below(7) as usize]);
    }
    key
}

/// Changes some keys in both; `removals` of ten changes remove a key.
fn change(store: &Store, model: &mut Model, chance: &mut Chance, removals: u64) {
    let mut batch = Batch::default();
    for _ in 0..1 + chance.below(120) {
        let key = some_key(chance);
        if chance.below(10) < removals {
            model.remove(&key);
            batch.remove(key);
        } else {
            let length = [0, 30, 300, 1_500, 4_091, 9_000][chance.below(6) as usize];
            let value = bytes(length, chance.below(1 << 30));
            model.insert(key.clone(), value.clone());
            batch.put(key, value);
        }
    }
    store.apply(batch, store.applied_seq() + 1).unwrap();
}

fn compare(store: &Store, model: &Model, chance: &mut Chance) {
    assert_eq!(store.check().unwrap(), model.len() as u64 + 1);
    for _ in 0..60 {
        let (one, other) = (some_key(chance), some_key(chance));
        assert!(store.get(&one).unwrap().as_ref() == model.get(&one));
        // Keys with this prefix, forwards and backwards from one of them.
        for prefix in [&one[..], &one[..1], b""] {
            let within = |key: &[u8]| key.starts_with(prefix) && !key.starts_with(META);
            let found: Vec<_> = store
                .scan(prefix, &other)
                .map(Result::unwrap)
                .filter(|(key, _)| within(key))
                .collect();
            let expected = model.range(other.clone()..).filter(|(key, _)| within(key));
            assert!(found.iter().map(|(key, value)| (key, value)).eq(expected));
            let found: Vec<_> = store
                .scan_back(prefix, &other)
                .map(Result::unwrap)
                .filter(|(key, _)| within(key))
                .collect();
            let expected = model.range(..other.clone()).rev().filter(|(key, _)| within(key));
            assert!(found.iter().map(|(key, value)| (key, value)).eq(expected));
            let first = store
                .first(prefix, &other)
                .unwrap()
                .filter(|(key, _)| within(key));
            let expected = model.range(other.clone()..).find(|(key, _)| within(key));
            assert!(
                first.as_ref().map(|(key, value)| (key, value)) == expected || prefix.is_empty(),
                "the facts about the store come first where nothing else is asked for"
            );
        }
    }
}

#[test]
fn whatever_comes_and_goes_they_are_found_and_listed_as_in_a_sorted_map() {
    for seed in 0..12 {
        let dir = TempDir::new().unwrap();
        let store = open(&dir);
        let (mut model, mut chance) = (Model::new(), Chance(seed));
        // The map grows, stays, shrinks, and grows again.
        for removals in [2, 5, 9, 9, 9, 10, 3] {
            for _ in 0..4 {
                change(&store, &mut model, &mut chance, removals);
            }
            compare(&store, &model, &mut chance);
        }
    }
}

#[test]
fn both_ends_of_a_range_meet_in_the_middle() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let mut batch = Batch::default();
    for number in 0..100 {
        batch.put(key::live(number), bytes(300, number));
    }
    store.apply(batch, 1).unwrap();
    for seed in 0..50 {
        let mut chance = Chance(seed);
        let reading = store.reading();
        let (from, to) = (chance.below(110), chance.below(110));
        let mut range = reading.range(&key::live(from), &key::live(to)).unwrap();
        let (mut ahead, mut back) = (Vec::new(), Vec::new());
        loop {
            let is_ahead = chance.below(2) == 0;
            match if is_ahead { range.next() } else { range.next_back() } {
                Some(entry) if is_ahead => ahead.push(entry.unwrap().0.to_vec()),
                Some(entry) => back.push(entry.unwrap().0.to_vec()),
                None => break,
            }
        }
        back.reverse();
        let expected: Vec<_> = (from..to.min(100)).map(key::live).collect();
        assert_eq!([ahead, back].concat(), expected, "from {from} to {to}");
        assert!(range.next().is_none() && range.next_back().is_none());
    }
}
