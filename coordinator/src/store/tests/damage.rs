//! Damage is reported, with the key, and never read as a value.

use std::fs;

use tempfile::TempDir;

use super::{OUTPUT_BYTES, bytes, open, put};
use crate::{
    records::{LAYOUT, output, task::key},
    store::{
        OpenError, Store, StoreError,
        key::{APPLIED_SEQ, META, meta},
        sled::{leaf, value::chunk_key},
    },
};

#[test]
fn a_flipped_bit_anywhere_in_a_value_is_reported_with_its_key() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    put(&store, key::live(1), b"a record");
    put(&store, key::live(2), b"another record");
    let good = store.swap_raw(&key::live(2), None).unwrap();
    for place in 0..good.len() {
        let mut bad = good.clone();
        bad[place] ^= 0x10;
        store.swap_raw(&key::live(2), Some(&bad));
        assert_damaged(&store, &key::live(2), "live/2");
    }
    for len in 0..good.len() {
        store.swap_raw(&key::live(2), Some(&good[..len]));
        assert_damaged(&store, &key::live(2), "live/2");
    }
    let neighbour = store.swap_raw(&key::live(1), None).unwrap();
    store.swap_raw(&key::live(1), Some(&neighbour));
    store.swap_raw(&key::live(2), Some(&neighbour));
    assert_damaged(&store, &key::live(2), "live/2");

    store.swap_raw(&key::live(2), Some(&good));
    assert_eq!(store.check().unwrap(), 3);
}

#[test]
fn a_flipped_bit_anywhere_in_a_leaf_is_reported_with_its_name() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    put(&store, key::live(1), b"a record");
    put(&store, key::live(2), b"another record");
    put(&store, key::done(3), b"an ended one");
    let good = store.db().get(key::LIVE).unwrap().unwrap();
    for place in 0..good.len() {
        let mut bad = good.to_vec();
        bad[place] ^= 0x10;
        store.db().insert(key::LIVE, bad).unwrap();
        assert_damaged(&store, &key::live(2), "live/");
    }
    for len in 0..good.len() {
        store.db().insert(key::LIVE, &good[..len]).unwrap();
        assert_damaged(&store, &key::live(1), "live/");
    }
    let other = store.db().get(key::DONE).unwrap().unwrap();
    store.db().insert(key::LIVE, other).unwrap();
    assert_damaged(&store, &key::live(1), "live/");

    store.db().insert(key::LIVE, good).unwrap();
    assert_eq!(store.check().unwrap(), 4);
}

#[test]
fn what_lies_twice_is_damage() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    for number in 0..1000 {
        put(&store, key::live(number), b"a record");
    }
    let leaves = store.db().scan_prefix(key::LIVE).map(Result::unwrap);
    let (first, second) = (key::LIVE, leaves.map(|(name, _)| name).nth(1).unwrap());
    let entries = |name: &[u8]| leaf::entries(name, &store.db().get(name).unwrap().unwrap()).unwrap();
    let both = [entries(first), entries(&second)].concat();
    // As if sled had kept a leaf from before it was split.
    store.db().insert(first, leaf::whole(first, &both)).unwrap();
    let error = store.check().unwrap_err();
    assert!(
        error.is_damage() && error.to_string().contains("is there twice"),
        "{error}"
    );
}

#[test]
fn a_damaged_missing_or_older_chunk_is_reported_with_its_key() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let key = output::key(5, 2);
    let chunk = chunk_key(&key, 3);
    put(&store, key.clone(), &bytes(OUTPUT_BYTES, 1));
    let older = store.db().get(&chunk).unwrap().unwrap();
    put(&store, key.clone(), &bytes(OUTPUT_BYTES, 2));
    let good = store.db().get(&chunk).unwrap().unwrap();

    let mut bad = good.to_vec();
    bad[2_000] ^= 1;
    store.db().insert(chunk.as_slice(), bad).unwrap();
    assert_damaged(&store, &key, "output/5/2, chunk 3");
    store.db().remove(&chunk).unwrap();
    assert_damaged(&store, &key, "output/5/2, chunk 3");
    store.db().insert(chunk.as_slice(), older).unwrap();
    assert_damaged(&store, &key, "output/5/2");

    let head = store.swap_raw(&key, None).unwrap();
    store.db().insert(chunk.as_slice(), good).unwrap();
    assert!(store.check().unwrap_err().is_damage());
    store.swap_raw(&key, Some(&head));
    assert_eq!(store.check().unwrap(), 2);
}

#[test]
fn a_damaged_applied_seq_refuses_to_open() {
    for (named, place) in [("meta/applied_seq", 0), ("meta/", 0), ("meta/", 20)] {
        let dir = TempDir::new().unwrap();
        let store = open(&dir);
        put(&store, key::live(1), b"one");
        if named == "meta/" {
            let mut leaf = store.db().get(META).unwrap().unwrap().to_vec();
            leaf[place] ^= 1;
            store.db().insert(META, leaf).unwrap();
        } else {
            store.swap_raw(&meta(APPLIED_SEQ), Some(b"nonsense"));
        }
        drop(store);
        let Err(OpenError::Damaged { source, .. }) = Store::open(&dir.path().join("store"), &LAYOUT) else {
            panic!("opened")
        };
        assert_eq!(
            source.to_string(),
            format!("the value of {named} in the store is damaged: its checksum does not match")
        );
    }
}

#[test]
fn files_that_sled_cannot_read_are_damage() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    put(&store, key::live(1), b"one");
    drop(store);
    drop(open(&dir));
    let path = dir.path().join("store");
    fs::write(path.join("snap.7FFFFFFFFFFFFFFF"), bytes(100, 1)).unwrap();
    let Err(error) = Store::open(&path, &LAYOUT) else {
        panic!("opened")
    };
    let OpenError::Damaged { source, .. } = error else {
        panic!("{error}")
    };
    assert_eq!(
        source.to_string(),
        "the store is damaged: sled found corrupted data"
    );
}

/// Get, scan and check all name the damaged key.
fn assert_damaged(store: &Store, key: &[u8], named: &str) {
    let found = [
        store.get(key).unwrap_err(),
        store.scan(b"", b"").find_map(Result::err).unwrap(),
        store.check().unwrap_err(),
    ];
    for error in found {
        assert!(error.is_damage());
        assert!(
            matches!(error, StoreError::DamagedValue { ref key, .. } if key == named),
            "{error}"
        );
    }
}
