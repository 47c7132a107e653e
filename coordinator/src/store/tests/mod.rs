//! What the store promises, on real files.

mod closing;
mod crash;
mod damage;
mod frozen;
mod leaves;
mod long;
mod pass;
mod renew;

use std::{collections::BTreeMap, time::Duration};

use tempfile::TempDir;

use super::{
    Batch, MAX_SLED_WRITES, NumberSet, OpenError, Store, operations_for,
    sled::{leaves::Changing, value::MAX_SHORT_BYTES},
};
use crate::{
    records::{LAYOUT, agent, job, output, task::key},
    store::{
        key::{self as store_key},
        key::{CHUNK, name},
    },
};

const OUTPUT_BYTES: usize = 128 * 1024;

impl Store {
    /// sled's database. It is dropped before sled may be opened again.
    pub(super) fn db(&self) -> sled::Db {
        self.reading().db().unwrap().clone()
    }

    /// Changes the raw bytes under a key behind the digest's back, or removes them; returns those before.
    pub(crate) fn swap_raw(&self, key: &[u8], raw: Option<&[u8]>) -> Option<Vec<u8>> {
        let reading = self.reading();
        let mut leaves = Changing::new(&reading);
        let before = leaves.take(key).unwrap();
        if let Some(raw) = raw {
            leaves.put(key, raw.to_vec(), before.is_none());
        }
        for (name, leaf) in leaves.finish() {
            match leaf {
                Some(leaf) => reading.db().unwrap().insert(name, leaf).unwrap(),
                None => reading.db().unwrap().remove(name).unwrap(),
            };
        }
        before.map(|raw| raw.to_vec())
    }
}

fn open(dir: &TempDir) -> Store {
    Store::open(&dir.path().join("store"), &LAYOUT).unwrap()
}

fn contents(store: &Store) -> BTreeMap<Vec<u8>, Vec<u8>> {
    store.scan(b"", b"").map(Result::unwrap).collect()
}

fn batch(writes: &[(Vec<u8>, Option<Vec<u8>>)]) -> Batch {
    let mut batch = Batch::default();
    for (key, value) in writes {
        match value {
            Some(value) => batch.put(key.clone(), value.clone()),
            None => batch.remove(key.clone()),
        }
    }
    batch
}

fn put(store: &Store, key: Vec<u8>, value: &[u8]) {
    let through = store.applied_seq() + 1;
    store
        .apply(batch(&[(key, Some(value.to_vec()))]), through)
        .unwrap();
}

fn remove(store: &Store, key: Vec<u8>) {
    store
        .apply(batch(&[(key, None)]), store.applied_seq() + 1)
        .unwrap();
}

/// Bytes that vary from one to the next and from seed to seed.
fn bytes(len: usize, seed: u64) -> Vec<u8> {
    let mut chance = Chance(seed);
    (0..len).map(|_| chance.below(256) as u8).collect()
}

/// A value with this number in it that has a leaf for itself.
fn said(number: u64) -> Vec<u8> {
    [number.to_be_bytes().as_slice(), &[0; MAX_SHORT_BYTES / 2]].concat()
}

/// A small generator of numbers (splitmix64), so that a failing run repeats.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }
}

fn chunks(store: &Store) -> usize {
    store.db().range([CHUNK, 1].as_slice()..).count()
}

#[test]
fn a_missing_directory_is_a_new_empty_store() {
    let dir = TempDir::new().unwrap();
    let store = Store::open(&dir.path().join("not/yet/there"), &LAYOUT).unwrap();
    assert_eq!(store.applied_seq(), 0);
    assert_eq!(store.get(&key::live(1)).unwrap(), None);
    assert_eq!(store.meta("history").unwrap(), None);
    assert_eq!(contents(&store), BTreeMap::new());
    assert_eq!(store.check().unwrap(), 0);
}

#[test]
fn a_store_closed_without_a_flush_reopens_equal() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    for number in 0..300 {
        put(&store, key::live(number), &bytes(number as usize * 40, number));
    }
    let before = contents(&store);
    assert_eq!(before.len(), 301);
    drop(store);

    let store = open(&dir);
    assert_eq!(store.applied_seq(), 300);
    assert!(contents(&store) == before);
    assert_eq!(store.check().unwrap(), 301);
}

#[test]
fn flushing_and_measuring_work_on_an_empty_and_on_a_full_store() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    store.flush().unwrap();
    put(&store, job::key(1), &bytes(OUTPUT_BYTES, 1));
    store.flush().unwrap();
    assert!(store.size_on_disk().unwrap() >= OUTPUT_BYTES as u64);
}

#[test]
fn a_store_that_is_open_elsewhere_is_in_use() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let second = super::sled::open::open_within(&dir.path().join("store"), &LAYOUT, Duration::ZERO, u64::MAX);
    let Err(error) = second else {
        panic!("opened twice")
    };
    assert!(matches!(error, OpenError::InUse { .. }), "{error}");
    drop(store);
    open(&dir);
}

#[test]
fn the_last_write_of_a_key_in_a_batch_wins_and_counts_once() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let mut batch = Batch::default();
    assert!(batch.is_empty());
    batch.put(key::live(1), bytes(OUTPUT_BYTES, 1));
    assert_eq!(batch.operations(), operations_for(OUTPUT_BYTES));
    batch.put(key::live(1), b"short".to_vec());
    batch.put(key::live(2), b"gone".to_vec());
    batch.remove(key::live(2));
    batch.remove(key::live(3));
    batch.put(key::live(3), b"back".to_vec());
    assert_eq!(batch.operations(), 3);
    store.apply(batch, 9).unwrap();
    assert_eq!(store.get(&key::live(1)).unwrap().unwrap(), b"short");
    assert_eq!(store.get(&key::live(2)).unwrap(), None);
    assert_eq!(store.get(&key::live(3)).unwrap().unwrap(), b"back");
}

#[test]
fn scans_see_one_prefix_in_order_from_a_key_on_and_no_chunks() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    for first in (0..600).step_by(200) {
        let mut batch = Batch::default();
        for number in first..first + 200 {
            batch.put(key::live(number), number.to_le_bytes().to_vec());
        }
        store.apply(batch, first + 200).unwrap();
    }
    put(&store, key::live(300), &bytes(OUTPUT_BYTES, 3));
    put(&store, job::key(1), b"job");
    put(&store, store_key::numbered(output::KIND, u64::MAX), b"last");

    let keys: Vec<_> = store.scan(key::LIVE, b"").map(|entry| entry.unwrap().0).collect();
    assert!(keys == (0..600).map(key::live).collect::<Vec<_>>());
    let page: Vec<_> = store
        .scan(key::LIVE, &key::live(299))
        .take(2)
        .map(Result::unwrap)
        .collect();
    assert_eq!(page[0], (key::live(299), 299_u64.to_le_bytes().to_vec()));
    assert!(page[1] == (key::live(300), bytes(OUTPUT_BYTES, 3)));
    assert_eq!(store.scan(key::LIVE, &key::live(600)).count(), 0);
    assert_eq!(
        store
            .scan(key::LIVE, &store_key::numbered(output::KIND, 0))
            .count(),
        0
    );
    assert_eq!(store.scan(job::KIND, b"").count(), 1);
    assert_eq!(store.scan(agent::KIND, b"").count(), 0);
    assert_eq!(store.scan(b"", b"").count(), 603);

    for (prefix, before) in [
        (key::LIVE, key::live(u64::MAX)),
        (key::LIVE, key::live(299)),
        (key::LIVE, key::live(0)),
        (b"".as_slice(), vec![0xFF]),
    ] {
        let ahead = store.scan(prefix, b"").map(Result::unwrap);
        let mut expected: Vec<_> = ahead.filter(|(key, _)| *key < before).collect();
        expected.reverse();
        let back: Vec<_> = store.scan_back(prefix, &before).map(Result::unwrap).collect();
        assert!(back == expected, "{} before {}", name(prefix), name(&before));
    }
    assert_eq!(
        store.first(key::LIVE, &key::live(299)).unwrap().unwrap().0,
        key::live(299)
    );
    assert_eq!(store.first(key::LIVE, &key::live(600)).unwrap(), None);
    assert_eq!(
        store
            .first(key::LIVE, &store_key::numbered(output::KIND, 0))
            .unwrap(),
        None
    );
}

#[test]
fn readers_never_see_half_of_a_batch_or_of_a_value() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let value = |seed: u64| bytes(6_000 + seed as usize * 2_000 % 30_000, seed);
    put(&store, key::live(1), &value(1));
    put(&store, key::live(2), &value(1));
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut seen = 0;
            while store.applied_seq() < 300 || seen == 0 {
                let page: Vec<_> = store.scan(key::LIVE, b"").map(Result::unwrap).collect();
                assert!(page[0].1 == page[1].1);
                store.get(&key::live(1)).unwrap().unwrap();
                seen += 1;
            }
        });
        for through in 3..=300 {
            let next = Some(value(through));
            store
                .apply(
                    batch(&[(key::live(1), next.clone()), (key::live(2), next)]),
                    through,
                )
                .unwrap();
        }
        reader.join().unwrap();
    });
}

#[test]
fn a_full_batch_is_taken() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    store.apply(numbered(MAX_SLED_WRITES), 1).unwrap();
    assert_eq!(store.check().unwrap(), MAX_SLED_WRITES as u64 + 1);
}

#[test]
fn a_batch_over_the_limit_of_sled_is_written_in_parts_and_seen_whole() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let many = 3 * MAX_SLED_WRITES;
    store.apply(numbered(many), 1).unwrap();
    assert_eq!(store.check().unwrap(), many as u64 + 1);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            while store.applied_seq() < 20 {
                let reading = store.reading();
                let [first, last] =
                    [0, many as u64 - 1].map(|number| reading.get(&key::live(number)).unwrap());
                assert_eq!(first, last);
            }
        });
        for through in 2..=20_u64 {
            let mut batch = Batch::default();
            for number in 0..many as u64 {
                batch.put(key::live(number), said(through));
            }
            store.apply(batch, through).unwrap();
        }
        reader.join().unwrap();
    });
    store.check().unwrap();
}

#[test]
fn what_comes_and_goes_within_a_batch_leaves_nothing() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let mut batch = Batch::default();
    batch.put(key::live(1), b"one".to_vec());
    batch.put(key::live(1), b"two".to_vec());
    batch.remove(key::live(1));
    batch.put(key::live(2), b"one".to_vec());
    batch.put(key::live(2), b"two".to_vec());
    batch.add_number(key::age(0, 5));
    batch.add_number(key::age(0, 6));
    batch.take_number(key::age(0, 5));
    assert_eq!(batch.operations(), 3);
    store.apply(batch, 1).unwrap();
    assert_eq!(store.get(&key::live(1)).unwrap(), None);
    assert_eq!(store.get(&key::live(2)).unwrap().unwrap(), b"two");
    let (place, set) = store.scan(key::AGE, b"").next().unwrap().unwrap();
    let (_, index) = key::split_age(&place).unwrap();
    let numbers = NumberSet::stored(&place, &set).unwrap().numbers(index);
    assert_eq!(numbers.collect::<Vec<_>>(), [6]);

    // A key is removed, and put again with another value.
    let mut batch = Batch::default();
    batch.remove(key::live(2));
    batch.put(key::live(2), b"three".to_vec());
    batch.take_number(key::age(0, 6));
    store.apply(batch, 2).unwrap();
    assert_eq!(store.get(&key::live(2)).unwrap().unwrap(), b"three");
    assert_eq!(store.keys(key::AGE).unwrap().len(), 0);
    store.check().unwrap();
}

#[test]
#[should_panic(expected = "behind the store")]
fn a_batch_that_goes_back_is_a_bug_of_the_caller() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    put(&store, key::live(1), b"one");
    let _result = store.apply(Batch::default(), 0);
}

fn numbered(operations: usize) -> Batch {
    let mut batch = Batch::default();
    for number in 0..operations {
        batch.put(key::live(number as u64), said(1));
    }
    assert_eq!(batch.operations(), operations);
    batch
}
