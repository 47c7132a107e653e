//! What a killed process leaves behind is whole.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::{Chance, OUTPUT_BYTES, bytes, open, put};
use crate::store::value::{MAX_SHORT_BYTES, chunk_key};
use crate::store::{Batch, Store, key, sweep};

const WRITER_DIR: &str = "SWARM_TEST_STORE_DIR";

/// Applies batches that say their own seq everywhere, until it is killed.
#[test]
#[ignore = "another test starts it as a process to kill"]
fn writer_to_kill() {
    let Some(dir) = std::env::var_os(WRITER_DIR) else {
        return;
    };
    let store = Store::open(Path::new(&dir)).unwrap();
    for through in store.applied_seq() + 1.. {
        let mut batch = Batch::default();
        for number in 0..20 {
            batch.put(key::live(number), through.to_be_bytes().to_vec());
        }
        batch.put(key::output(1, 1), bytes(4_000 * (through as usize % 5), through));
        batch.set_meta("history", through.to_be_bytes().to_vec());
        store.apply(batch, through).unwrap();
        println!("applied {through}");
        if through % 7 == 0 {
            store.flush().unwrap();
            println!("flushed {through}");
        }
    }
}

#[test]
fn a_killed_process_leaves_whole_batches_and_their_applied_seq() {
    let dir = TempDir::new().unwrap();
    let mut chance = Chance(7);
    let mut flushed = 0;
    for _round in 0..12 {
        let mut writer = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--nocapture", "writer_to_kill"])
            .env(WRITER_DIR, dir.path().join("store"))
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
        for number in 0..20 {
            assert_eq!(store.get(&key::live(number)).unwrap().unwrap(), seq.to_be_bytes());
        }
        assert!(store.get(&key::output(1, 1)).unwrap().unwrap() == bytes(4_000 * (seq as usize % 5), seq));
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

#[test]
fn chunks_left_by_a_kill_are_removed_at_the_next_start() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    put(&store, key::output(1, 1), &bytes(OUTPUT_BYTES, 1));
    put(&store, key::output(2, 1), &bytes(OUTPUT_BYTES, 2));
    let raw = |key: &[u8]| store.db.get(key).unwrap().unwrap();
    let orphans: Vec<_> = (20..33)
        .map(|index| chunk_key(&key::output(1, 1), index))
        .collect();
    let kept: Vec<_> = orphans.iter().map(|key| (key.clone(), raw(key))).collect();
    put(&store, key::output(1, 1), &bytes(20 * MAX_SHORT_BYTES, 3));
    for (chunk_key, raw) in kept {
        store.db.insert(chunk_key, raw).unwrap();
    }
    let error = store.check().unwrap_err();
    assert_eq!(
        error.to_string(),
        "the value of output/1/1, chunk 20 in the store is damaged: it has no value"
    );
    store.db.insert(sweep::MARK, &[]).unwrap();
    drop(store);

    let store = open(&dir);
    assert_eq!(store.check().unwrap(), 3);
    assert!(store.get(&key::output(1, 1)).unwrap().unwrap() == bytes(20 * MAX_SHORT_BYTES, 3));
    assert!(store.db.get(sweep::MARK).unwrap().is_none());
}
