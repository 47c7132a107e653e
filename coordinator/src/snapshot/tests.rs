//! Snapshots of real stores, on real files.

mod crash;
mod damage;

use std::{fs, path::Path, time::Instant};

use tempfile::TempDir;

use super::*;
use crate::{
    journal::tests::full_disk::SmallDisk,
    records::{LAYOUT, agent, job, output, task::key},
    store::{Batch, MAX_SLED_WRITES, Store, operations_for},
};

fn origin(seq: u64) -> Origin {
    Origin {
        seq,
        chain: Some(seq * 3),
        history: "north-7".to_owned(),
    }
}

/// Applies so many records of all kinds, some of them long, as one more seq.
fn fill(store: &Store, records: u64) {
    let through = store.applied_seq() + 1;
    let mut batch = Batch::default();
    for number in 0..records {
        let value = format!("record {number} as of {through} ").into_bytes();
        let long = value.repeat(if number % 50 == 0 { 1_000 } else { 1 });
        if batch.operations() + operations_for(long.len()) > MAX_SLED_WRITES {
            store.apply(std::mem::take(&mut batch), through - 1).unwrap();
        }
        batch.put(
            match number % 4 {
                0 => key::live(number),
                1 => key::done(number),
                2 => job::key(number),
                _ => output::key(number, 1),
            },
            long,
        );
    }
    batch.set_meta("identity", through.to_be_bytes().to_vec());
    batch.put(agent::key("empty"), Vec::new());
    store.apply(batch, through).unwrap();
}

fn contents(store: &Store) -> Vec<(Vec<u8>, Vec<u8>)> {
    store.scan(&[], &[]).map(Result::unwrap).collect()
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .unwrap()
        .map(|item| item.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_snapshot_is_given_up_when_the_coordinator_stops() {
    let dir = TempDir::new().unwrap();
    let store = Store::open(&dir.path().join("store"), &LAYOUT).unwrap();
    let origin = Origin {
        seq: 0,
        chain: None,
        history: "h".to_owned(),
    };
    let mut batch = Batch::default();
    batch.put(key::live(1), vec![1]);
    store.apply(batch, 0).unwrap();
    let snapshots = dir.path().join("snapshot");
    let conduct = Conduct {
        is_stopping: &|| true,
        haste: &|| 0.0,
    };
    let taken = Snapshot::take_beside(&store, store.freeze(), &snapshots, &origin, &conduct);
    assert!(matches!(taken, Err(SnapshotError::Stopped)));
    assert_eq!(std::fs::read_dir(&snapshots).unwrap().count(), 0);
}

#[test]
fn a_restored_store_is_the_one_of_which_the_snapshot_was_taken() {
    let dir = TempDir::new().unwrap();
    let store = Store::open(&dir.path().join("store"), &LAYOUT).unwrap();
    fill(&store, 700);
    fill(&store, 300);
    let snapshots = dir.path().join("snapshot");
    assert!(Snapshot::newest(&snapshots).unwrap().is_none());
    let taken = Snapshot::take(&store, &snapshots, &origin(2)).unwrap();
    let expected = contents(&store);
    assert_eq!(taken.count(), expected.len() as u64);

    let newest = Snapshot::newest(&snapshots).unwrap().unwrap();
    assert_eq!(*newest.origin(), origin(2));
    assert_eq!(newest.bytes(), fs::metadata(newest.path()).unwrap().len());
    newest.check().unwrap();
    let restored = newest.restore(&dir.path().join("restored"), &LAYOUT).unwrap();
    assert!(contents(&restored) == expected);
    assert_eq!(restored.applied_seq(), 2);
    assert_eq!(restored.check().unwrap(), expected.len() as u64);
    assert_eq!(names(dir.path()), ["restored", "snapshot", "store"]);
    drop(restored);
    // And it stays that way.
    let restored = Store::open(&dir.path().join("restored"), &LAYOUT).unwrap();
    assert!(contents(&restored) == expected);
}

#[test]
fn a_snapshot_of_an_empty_store_restores_an_empty_store() {
    let dir = TempDir::new().unwrap();
    let store = Store::open(&dir.path().join("store"), &LAYOUT).unwrap();
    let origin = Origin {
        seq: 0,
        chain: None,
        history: String::new(),
    };
    let snapshot = Snapshot::take(&store, dir.path(), &origin).unwrap();
    assert_eq!((snapshot.count(), snapshot.origin().chain), (0, None));
    let restored = snapshot.restore(&dir.path().join("restored"), &LAYOUT).unwrap();
    assert_eq!(restored.applied_seq(), 0);
}

#[test]
fn a_snapshot_is_refused_when_the_store_is_somewhere_else() {
    let dir = TempDir::new().unwrap();
    let store = Store::open(&dir.path().join("store"), &LAYOUT).unwrap();
    fill(&store, 10);
    let snapshots = dir.path().join("snapshot");
    let error = Snapshot::take(&store, &snapshots, &origin(2)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot take a snapshot as of seq 2: the store is at seq 1"
    );
    assert_eq!(names(&snapshots), Vec::<String>::new());
}

#[test]
fn the_newest_two_snapshots_are_kept_and_leftovers_are_removed() {
    let dir = TempDir::new().unwrap();
    let store = Store::open(&dir.path().join("store"), &LAYOUT).unwrap();
    let snapshots = dir.path().join("snapshot");
    for seq in 1..=4 {
        fill(&store, 20);
        Snapshot::take(&store, &snapshots, &origin(seq)).unwrap();
        fs::write(snapshots.join("00000000000000000009.tmp"), b"half of one").unwrap();
        let oldest = seq.saturating_sub(1).max(1);
        assert_eq!(
            list(&snapshots).unwrap(),
            (oldest..=seq).rev().collect::<Vec<_>>()
        );
    }
    // The same again is the same file; a damaged one is replaced.
    let newest = path(&snapshots, 4);
    let whole = fs::read(&newest).unwrap();
    let modified = || fs::metadata(&newest).unwrap().modified().unwrap();
    let before = modified();
    Snapshot::take(&store, &snapshots, &origin(4)).unwrap();
    assert_eq!(modified(), before);
    let mut damaged = whole.clone();
    damaged[300] ^= 1;
    fs::write(&newest, damaged).unwrap();
    Snapshot::take(&store, &snapshots, &origin(4)).unwrap();
    assert!(fs::read(&newest).unwrap() == whole);
    assert_eq!(names(&snapshots).len(), 2);
}

#[test]
fn nothing_is_restored_over_something() {
    let dir = TempDir::new().unwrap();
    let store = Store::open(&dir.path().join("store"), &LAYOUT).unwrap();
    fill(&store, 10);
    let snapshot = Snapshot::take(&store, &dir.path().join("snapshot"), &origin(1)).unwrap();
    let error = snapshot
        .restore(&dir.path().join("store"), &LAYOUT)
        .err()
        .unwrap();
    assert!(matches!(error, SnapshotError::Exists { .. }), "{error}");
    assert!(matches!(
        snapshot.restore_into(&store),
        Err(SnapshotError::NotEmpty)
    ));
    // Records without a seq, as a restoring leaves them that was cut short.
    let half = Store::open(&dir.path().join("half"), &LAYOUT).unwrap();
    let mut batch = Batch::default();
    batch.put(key::live(1), b"one".to_vec());
    half.apply(batch, 0).unwrap();
    assert!(matches!(
        snapshot.restore_into(&half),
        Err(SnapshotError::NotEmpty)
    ));
}

#[test]
fn a_full_disk_leaves_the_snapshot_before_and_no_rest() {
    let Some(disk) = SmallDisk::mount() else { return };
    let dir = TempDir::new().unwrap();
    let store = Store::open(&dir.path().join("store"), &LAYOUT).unwrap();
    fill(&store, 100);
    Snapshot::take(&store, disk.path(), &origin(1)).unwrap();
    disk.fill();
    fill(&store, 2_000);
    let error = Snapshot::take(&store, disk.path(), &origin(2)).unwrap_err();
    assert!(
        matches!(&error, SnapshotError::File(error) if error.kind() == io::ErrorKind::StorageFull),
        "{error}"
    );
    disk.empty();
    assert_eq!(names(disk.path()), ["00000000000000000001.snapshot"]);
    Snapshot::newest(disk.path()).unwrap().unwrap().check().unwrap();
}

/// Figures, for `cargo test -- --ignored --nocapture snapshot::tests::figures`.
#[test]
#[ignore = "it measures, and proves nothing"]
fn figures() {
    let dir = TempDir::new().unwrap();
    let store = Store::open(&dir.path().join("store"), &LAYOUT).unwrap();
    let mut batch = Batch::default();
    for number in 0..100_000 {
        if batch.operations() == MAX_SLED_WRITES {
            store.apply(std::mem::take(&mut batch), 0).unwrap();
        }
        batch.put(key::done(number), vec![number as u8; 500]);
    }
    store.apply(batch, 1).unwrap();
    let started = Instant::now();
    let snapshot = Snapshot::take(&store, &dir.path().join("snapshot"), &origin(1)).unwrap();
    println!(
        "100000 records of 500 bytes: snapshot of {} bytes taken in {:?}",
        snapshot.bytes(),
        started.elapsed()
    );
    let started = Instant::now();
    snapshot.check().unwrap();
    println!("checked in {:?}", started.elapsed());
    let started = Instant::now();
    snapshot.restore(&dir.path().join("restored"), &LAYOUT).unwrap();
    println!("restored in {:?}", started.elapsed());
}
