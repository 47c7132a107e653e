//! Values that lie in chunks.

use std::{collections::BTreeMap, fs};

use tempfile::TempDir;

use super::{Chance, OUTPUT_BYTES, bytes, chunks, contents, open, put, remove};
use crate::{
    records::{output, task::key},
    store::{
        Batch, MAX_SLED_WRITES,
        key::{APPLIED_SEQ, meta},
        operations_for,
        sled::{value::MAX_SHORT_BYTES, window},
    },
};

#[test]
fn long_values_round_trip_shrink_and_are_removed_whole() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let edge = MAX_SHORT_BYTES;
    let lengths = [
        0,
        1,
        edge - 1,
        edge,
        edge + 1,
        2 * edge,
        2 * edge + 1,
        OUTPUT_BYTES,
        500_000,
        edge,
        3 * edge,
    ];
    for (seed, len) in lengths.into_iter().enumerate() {
        let value = bytes(len, seed as u64);
        put(&store, output::key(7, 1), &value);
        assert!(
            store.get(&output::key(7, 1)).unwrap().unwrap() == value,
            "{len} bytes"
        );
        assert_eq!(chunks(&store), operations_for(len) - 1, "{len} bytes");
        assert_eq!(store.check().unwrap(), 2);
    }
    remove(&store, output::key(7, 1));
    assert_eq!(store.get(&output::key(7, 1)).unwrap(), None);
    assert_eq!(chunks(&store), 0);
}

#[test]
fn nothing_goes_to_blobs_however_long_values_come_and_go() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let mut chance = Chance(42);
    let mut expected = BTreeMap::new();
    for _ in 0..120 {
        let mut batch = Batch::default();
        loop {
            let number = chance.below(60);
            let seed = chance.below(1 << 40);
            let (key, len) = match chance.below(5) {
                0 => (output::key(number, 1), Some(OUTPUT_BYTES)),
                1 => (key::live(number), Some(MAX_SHORT_BYTES)),
                2 => (key::live(number), Some(chance.below(20_000) as usize)),
                3 => (output::key(number, 1), None),
                _ => (key::live(number), None),
            };
            if batch.operations() + operations_for(len.unwrap_or(0)) > MAX_SLED_WRITES {
                break;
            }
            match len.map(|len| bytes(len, seed)) {
                Some(value) => {
                    expected.insert(key.clone(), value.clone());
                    batch.put(key, value);
                }
                None => {
                    expected.remove(&key);
                    batch.remove(key);
                }
            }
        }
        store.apply(batch, store.applied_seq() + 1).unwrap();
    }
    assert_no_blobs(&dir);
    store.flush().unwrap();
    drop(store);

    let store = open(&dir);
    assert_no_blobs(&dir);
    store.check().unwrap();
    let mut found = contents(&store);
    found.remove(&meta(APPLIED_SEQ));
    assert!(found == expected);
}

#[test]
fn many_long_values_removed_at_once_leave_no_chunk() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    for number in 0..40 {
        put(&store, output::key(number, 1), &bytes(OUTPUT_BYTES, number));
    }
    put(&store, output::key(40, 1), &bytes(OUTPUT_BYTES, 40));
    let mut batch = Batch::default();
    for number in 0..40 {
        batch.remove(output::key(number, 1));
    }
    assert_eq!(batch.operations(), 40);
    store.apply(batch, 50).unwrap();
    assert_eq!(chunks(&store), operations_for(OUTPUT_BYTES) - 1);
    assert!(store.db().get(window::MARK).unwrap().is_none());
    assert_eq!(store.check().unwrap(), 2);
}

fn assert_no_blobs(dir: &TempDir) {
    let blobs: Vec<_> = fs::read_dir(dir.path().join("store/blobs")).unwrap().collect();
    assert!(blobs.is_empty(), "{} files in blobs/", blobs.len());
}
