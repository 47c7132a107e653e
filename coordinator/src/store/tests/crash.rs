//! A killed process leaves whole batches.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use tempfile::TempDir;

use super::{Chance, OUTPUT_BYTES, OpenError, bytes, open, put, renew::renewing, said};
use crate::{
    records::{LAYOUT, output, task::key},
    store::{
        Batch, Store,
        sled::{changes::Changes, window},
    },
};

const WRITER_DIR: &str = "SWARM_TEST_STORE_DIR";
/// Set to have the store opened again after each batch.
const WRITER_RENEWS: &str = "SWARM_TEST_STORE_RENEWS";

/// Applies batches with their own seq in every value, until it is killed.
#[test]
#[ignore = "another test starts it as a process to kill"]
fn writer_to_kill() {
    let Some(dir) = std::env::var_os(WRITER_DIR) else {
        return;
    };
    let store = match std::env::var_os(WRITER_RENEWS) {
        Some(_) => renewing(Path::new(&dir)),
        None => Store::open(Path::new(&dir), &LAYOUT).unwrap(),
    };
    for through in store.applied_seq() + 1.. {
        let mut batch = Batch::default();
        for number in 0..numbers(through) {
            batch.put(key::live(number), said(through));
        }
        batch.put(output::key(1, 1), bytes(4_000 * (through as usize % 5), through));
        batch.set_meta("history", through.to_be_bytes().to_vec());
        store.apply(batch, through).unwrap();
        println!("applied {through}");
        if through % 7 == 0 {
            store.flush().unwrap();
            println!("flushed {through}");
        }
    }
}

/// Every third batch is too large for one of sled's.
fn numbers(through: u64) -> u64 {
    if through.is_multiple_of(3) { 700 } else { 20 }
}

#[test]
fn a_killed_process_leaves_whole_batches_and_their_applied_seq() {
    kill_writers(&[]);
}

#[test]
fn so_does_one_that_is_killed_while_it_opens_the_store_again() {
    kill_writers(&[(WRITER_RENEWS, "all the time")]);
}

fn kill_writers(env: &[(&str, &str)]) {
    let dir = TempDir::new().unwrap();
    let mut chance = Chance(7);
    let mut flushed = 0;
    for _round in 0..12 {
        let mut writer = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--nocapture", "writer_to_kill"])
            .env(WRITER_DIR, dir.path().join("store"))
            .envs(env.iter().copied())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut applied = 0;
        let enough = 1 + chance.below(60);
        for line in BufReader::new(writer.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            if let Some((_, seq)) = line.split_once("flushed ") {
                flushed = seq.parse().unwrap();
            }
            applied += u64::from(line.contains("applied "));
            if applied == enough {
                break;
            }
        }
        assert_eq!(applied, enough, "the writer ended by itself");
        writer.kill().unwrap();
        writer.wait().unwrap();

        let store = open(&dir);
        let seq = store.applied_seq();
        assert!(seq >= flushed, "{seq} is behind {flushed}, which was flushed");
        let window = seq - seq % 3;
        for number in 0..if window == 0 { numbers(1) } else { numbers(3) } {
            let expected = if number < numbers(1) { seq } else { window };
            let found = store.get(&key::live(number)).unwrap().unwrap();
            assert_eq!(found, said(expected), "{number} at {seq}");
        }
        assert!(store.get(&output::key(1, 1)).unwrap().unwrap() == bytes(4_000 * (seq as usize % 5), seq));
        assert_eq!(store.meta("history").unwrap().unwrap(), seq.to_be_bytes());
        store.check().unwrap();
        flushed = seq;
    }
}

#[test]
fn unfinished_snapshots_of_any_length_do_not_stop_the_start() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    put(&store, key::live(1), b"one");
    drop(store);
    drop(open(&dir));
    for len in [0, 1, 12, 13, 20, 4096, 100_000] {
        let leftover = dir.path().join("store/snap.7FFFFFFFFFFFFFFF.generating");
        fs::write(&leftover, bytes(len, 1)).unwrap();
        let store = open(&dir);
        assert!(!leftover.exists());
        assert_eq!(store.get(&key::live(1)).unwrap().unwrap(), b"one");
    }
}

/// A store with an old value under every key, and the writes of a window.
fn before_a_window(dir: &TempDir) -> (Store, Changes) {
    let store = open(dir);
    let mut batch = Batch::default();
    for number in 0..900 {
        batch.put(key::live(number), said(1));
    }
    batch.put(output::key(1, 1), bytes(OUTPUT_BYTES, 1));
    store.apply(batch, 1).unwrap();
    store.flush().unwrap();
    let mut batch = Batch::default();
    for number in 0..600 {
        batch.put(key::live(number), said(2));
        batch.remove(key::live(number + 300));
        batch.add_number(key::age(number, number));
    }
    batch.put(output::key(1, 1), bytes(9_000, 2));
    let changes = store.changes(batch, 2).unwrap();
    (store, changes)
}

#[test]
fn a_window_that_was_cut_short_anywhere_is_finished_at_the_next_start() {
    let parts = {
        let dir = TempDir::new().unwrap();
        let (_store, changes) = before_a_window(&dir);
        window::parts(2, &changes.writes).count()
    };
    assert!(parts > 3);
    for done in 0..=parts {
        let dir = TempDir::new().unwrap();
        let (store, changes) = before_a_window(&dir);
        window::keep(&dir.path().join("store"), 2, &changes.writes).unwrap();
        for part in window::parts(2, &changes.writes).take(done) {
            store.db().apply_batch(part).unwrap();
        }
        drop(store);

        let store = open(&dir);
        store.check().unwrap();
        assert!(store.db().get(window::MARK).unwrap().is_none());
        // Without its first part the window has not happened.
        let expected = if done == 0 { (1, 900, 0) } else { (2, 600, 3) };
        let found = (
            store.applied_seq(),
            store.keys(key::LIVE).unwrap().len(),
            store.keys(key::AGE).unwrap().len(),
        );
        assert_eq!(found, expected, "after {done} of {parts} parts");
    }
}

#[test]
fn a_window_that_cannot_be_finished_is_damage() {
    for damage in ["missing", "another", "flipped"] {
        let dir = TempDir::new().unwrap();
        let (store, changes) = before_a_window(&dir);
        let file = dir.path().join("store/window");
        window::keep(&dir.path().join("store"), 2, &changes.writes).unwrap();
        store
            .db()
            .apply_batch(window::parts(2, &changes.writes).next().unwrap())
            .unwrap();
        match damage {
            "missing" => fs::remove_file(&file).unwrap(),
            "another" => window::keep(&dir.path().join("store"), 3, &changes.writes).unwrap(),
            _ => {
                let mut bytes = fs::read(&file).unwrap();
                bytes[5_000] ^= 1;
                fs::write(&file, bytes).unwrap();
            }
        }
        drop(store);
        let Err(error) = Store::open(&dir.path().join("store"), &LAYOUT) else {
            panic!("{damage}: it was opened");
        };
        assert!(matches!(error, OpenError::Damaged { .. }), "{damage}: {error}");
    }
}
