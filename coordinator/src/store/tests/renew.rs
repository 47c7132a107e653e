//! sled is closed and opened again beside serving, and the store's contents stay the same.

use std::{collections::BTreeSet, fs, os::unix::fs::MetadataExt as _, path::Path, time::Duration};

use nix::sys::stat::Mode;
use tempfile::TempDir;

use super::{Chance, bytes, contents, frozen::change, open, pass::read_through, put, said};
use crate::{
    records::{LAYOUT, task::key},
    store::{
        Batch, Extent, Store, StoreError,
        sled::{
            closing::{self, Left},
            open::open_within,
        },
    },
};

const PATIENCE: Duration = Duration::from_secs(60);

/// A store that is opened again whenever sled has written something.
pub(super) fn renewing(dir: &Path) -> Store {
    open_within(dir, &LAYOUT, PATIENCE, 1).unwrap()
}

/// The names of sled's notes of where its pages are. A name says how far its note reaches, so each renewal has another.
fn notes(dir: &Path) -> BTreeSet<String> {
    let names = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("snap.")).collect()
}

/// Too many writes for one of sled's batches, so that sled flushes before the next ones.
fn put_many(store: &Store, seed: u64) {
    let mut batch = Batch::default();
    for number in 0..400 {
        batch.put(key::live(number), said(seed + number));
    }
    store.apply(batch, store.applied_seq() + 1).unwrap();
}

#[test]
fn a_store_opened_again_after_each_few_batches_equals_one_that_never_is() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("renewed");
    let (renewed, other) = (renewing(&path), open(&dir));
    let file = fs::metadata(path.join("db")).unwrap().ino();
    let mut seen = BTreeSet::new();
    for seed in 0..60 {
        for store in [&renewed, &other] {
            change(store, &mut Chance(seed), 5 + seed as usize % 5 * 60);
        }
        seen.append(&mut notes(&path));
        assert_eq!(renewed.applied_seq(), other.applied_seq());
    }
    assert!(seen.len() > 20, "opened again {} times", seen.len());
    assert!(contents(&renewed) == contents(&other));
    assert_eq!(renewed.contents().unwrap(), other.contents().unwrap());
    assert_eq!(renewed.check().unwrap(), other.check().unwrap());
    // `flush` syncs this file.
    renewed.flush().unwrap();
    assert_eq!(fs::metadata(path.join("db")).unwrap().ino(), file);
    drop(renewed);
    assert!(contents(&Store::open(&path, &LAYOUT).unwrap()) == contents(&other));
}

#[test]
fn a_store_is_left_alone_until_much_was_written() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    put_many(&store, 1);
    store.flush().unwrap();
    drop(store);
    let store = open(&dir);
    let path = dir.path().join("store");
    let noted = notes(&path);
    put_many(&store, 2);
    put_many(&store, 3);
    store.flush().unwrap();
    assert_eq!(notes(&path), noted);

    store.renew_within(PATIENCE).unwrap();
    assert_ne!(notes(&path), noted);
    // The purpose of a renewal.
    assert_eq!(store.reading().written(), 0);
}

#[test]
fn readers_wait_meanwhile_and_see_whole_batches() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("store");
    let store = renewing(&path);
    put_many(&store, 0);
    let mut seen = BTreeSet::new();
    let last = 60;
    std::thread::scope(|scope| {
        let reader = || {
            let mut newest = 0;
            while newest < last {
                let reading = store.reading();
                let seq = reading.applied_seq().unwrap();
                assert!(seq >= newest);
                newest = seq;
                for number in [0, 200, 399] {
                    let value = reading.get(&key::live(number)).unwrap().unwrap();
                    assert!(value == said(seq - 1 + number), "{number} at {seq}");
                }
                drop(reading);
                assert_eq!(store.scan(key::LIVE, &[]).map(Result::unwrap).count(), 400);
                store.flush().unwrap();
            }
        };
        let readers = [scope.spawn(reader), scope.spawn(reader)];
        while store.applied_seq() < last {
            put_many(&store, store.applied_seq());
            seen.append(&mut notes(&path));
        }
        for reader in readers {
            reader.join().unwrap();
        }
    });
    assert!(seen.len() > 20, "opened again {} times", seen.len());
    store.check().unwrap();
}

#[test]
fn a_frozen_store_and_a_pass_stay_exact_over_it() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("store");
    let store = renewing(&path);
    let mut chance = Chance(3);
    for _ in 0..10 {
        change(&store, &mut chance, 200);
    }
    let expected = contents(&store);
    let mut seen = BTreeSet::new();
    let frozen = store.freeze().enumerate().map(|(count, entry)| {
        if count.is_multiple_of(150) {
            change(&store, &mut chance, 250);
            seen.append(&mut notes(&path));
        }
        entry.unwrap()
    });
    assert!(frozen.eq(expected));
    assert!(seen.len() > 5, "opened again {} times", seen.len());

    let mut seen = BTreeSet::new();
    let pages = read_through(&store, Extent::All, |_| {
        change(&store, &mut chance, 130);
        seen.append(&mut notes(&path));
    });
    assert!(pages.unwrap() > 5);
    assert!(seen.len() > 5, "opened again {} times", seen.len());
}

/// Why a store could not be opened again. The next start must not trust it.
fn why_not_renewed(store: &Store, patience: Duration) -> String {
    let error = store.renew_within(patience).unwrap_err();
    assert!(error.is_damage(), "{error}");
    assert!(matches!(closing::left(store.dir()), Left::Unknown(why) if why.contains("damage")));
    // Until the process ends, no reader is told that a key is missing.
    assert!(matches!(store.get(&key::live(1)), Err(StoreError::Closed)));
    error.to_string()
}

#[test]
fn a_store_that_comes_up_with_less_than_it_had_is_damaged() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("store");
    let store = open(&dir);
    put(&store, key::live(1), b"one");
    store.renew_within(PATIENCE).unwrap();
    let older = dir.path().join("older");
    fs::copy(path.join("db"), &older).unwrap();
    put(&store, key::live(1), b"two");
    // As if later writes had not reached the disk.
    fs::rename(older, path.join("db")).unwrap();
    let why = why_not_renewed(&store, PATIENCE);
    assert!(why.contains("ends with seq 1, and it ended with seq 2"), "{why}");
}

#[test]
fn an_opening_that_never_ends_is_damage() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    put(&store, key::live(1), b"one");
    let note = dir.path().join("store/snap.7FFFFFFFFFFFFFFF");
    nix::unistd::mkfifo(&note, Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
    let why = why_not_renewed(&store, Duration::from_millis(100));
    assert!(why.contains("did not end"), "{why}");
    // The thread waits for a writer on this file; now it can end.
    fs::OpenOptions::new().read(true).write(true).open(&note).unwrap();
}

#[test]
fn an_opening_that_fails_is_told_as_it_is() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    put(&store, key::live(1), b"one");
    fs::write(dir.path().join("store/snap.7FFFFFFFFFFFFFFF"), bytes(100, 1)).unwrap();
    let why = why_not_renewed(&store, PATIENCE);
    assert!(why.contains("corrupted"), "{why}");
}
