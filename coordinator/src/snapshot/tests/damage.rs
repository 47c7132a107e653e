//! Damaged snapshots are refused with file and offset, and nothing is restored from them.

use super::*;
use crate::{
    journal::{Floor, Journal, OpenError, Options},
    records::{LAYOUT, task::key},
};

fn snapshot_of(dir: &Path, records: u64) -> Snapshot {
    let store = Store::open(&dir.join("store"), &LAYOUT).unwrap();
    fill(&store, records);
    Snapshot::take(&store, &dir.join("snapshot"), &origin(1)).unwrap()
}

/// The error of a damaged snapshot, at its opening or when it is read.
fn refusal(dir: &Path) -> Option<SnapshotError> {
    match Snapshot::newest(&dir.join("snapshot")) {
        Ok(snapshot) => snapshot.unwrap().check().err(),
        Err(error) => Some(error),
    }
}

fn assert_names(error: &SnapshotError, file: &Path, length: usize) {
    let SnapshotError::Damaged {
        file: named, offset, ..
    } = error
    else {
        panic!("{error}")
    };
    assert!(named == file && *offset as usize <= length, "{error}");
    assert!(
        error
            .to_string()
            .contains(&format!("at offset {offset} of {}", file.display()))
    );
}

#[test]
fn a_flipped_bit_anywhere_is_refused_with_file_and_offset() {
    let dir = TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).unwrap();
    let snapshot = snapshot_of(dir.path(), 120);
    let whole = fs::read(snapshot.path()).unwrap();
    let step = (whole.len() * 8 / 5_000) | 1;
    let mut tried = 0;
    for bit in (0..whole.len() * 8).step_by(step) {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        fs::write(snapshot.path(), bytes).unwrap();
        let Some(error) = refusal(dir.path()) else {
            panic!("bit {bit} went unnoticed")
        };
        assert_names(&error, snapshot.path(), whole.len());
        let SnapshotError::Damaged { offset, .. } = error else {
            unreachable!()
        };
        // The offset is the damaged record's, or the footer's.
        assert!(offset as usize <= bit / 8 || offset as usize == whole.len() - 32);
        tried += 1;
    }
    println!(
        "{tried} flipped bits in a snapshot of {} bytes: all refused",
        whole.len()
    );
    assert!(tried >= 4_000);
}

#[test]
fn every_bit_of_a_small_snapshot_counts() {
    let dir = TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).unwrap();
    let store = Store::open(&dir.path().join("store"), &LAYOUT).unwrap();
    let mut batch = Batch::default();
    batch.put(key::live(7), b"seven".to_vec());
    store.apply(batch, 1).unwrap();
    let snapshot = Snapshot::take(&store, &dir.path().join("snapshot"), &origin(1)).unwrap();
    let whole = fs::read(snapshot.path()).unwrap();
    for bit in 0..whole.len() * 8 {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        fs::write(snapshot.path(), bytes).unwrap();
        assert_names(&refusal(dir.path()).unwrap(), snapshot.path(), whole.len());
    }
}

#[test]
fn a_snapshot_cut_off_or_continued_anywhere_is_refused() {
    let dir = TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).unwrap();
    let snapshot = snapshot_of(dir.path(), 20);
    let whole = fs::read(snapshot.path()).unwrap();
    for length in (0..whole.len()).rev().take(4096).chain(0..200) {
        fs::write(snapshot.path(), &whole[..length]).unwrap();
        assert_names(&refusal(dir.path()).unwrap(), snapshot.path(), length);
    }
    for more in [1, 32, 5_000] {
        fs::write(snapshot.path(), [whole.as_slice(), &vec![0; more]].concat()).unwrap();
        assert_names(&refusal(dir.path()).unwrap(), snapshot.path(), whole.len() + more);
    }
}

#[test]
fn records_that_were_left_out_or_exchanged_are_refused() {
    let dir = TempDir::new().unwrap();
    let store = Store::open(&dir.path().join("store"), &LAYOUT).unwrap();
    let mut batch = Batch::default();
    for number in 0..9 {
        batch.put(key::live(number), vec![number as u8; 20]);
    }
    store.apply(batch, 1).unwrap();
    let snapshot = Snapshot::take(&store, &dir.path().join("snapshot"), &origin(1)).unwrap();
    let whole = fs::read(snapshot.path()).unwrap();
    // live/<number> comes first, and all records are alike.
    let begin = format::HEADER_BYTES;
    let record = format::RECORD_BYTES + key::live(0).len() + 20;
    let mut exchanged = whole.clone();
    exchanged[begin..begin + record].copy_from_slice(&whole[begin + record..begin + 2 * record]);
    let mut left_out = whole.clone();
    left_out.drain(begin + record..begin + 2 * record);
    let mut doubled = whole.clone();
    doubled.splice(begin..begin, whole[begin..begin + record].iter().copied());
    for bytes in [exchanged, left_out, doubled] {
        fs::write(snapshot.path(), &bytes).unwrap();
        assert_names(&refusal(dir.path()).unwrap(), snapshot.path(), bytes.len());
    }
}

#[test]
fn a_damaged_snapshot_restores_nothing() {
    let dir = TempDir::new().unwrap();
    let snapshot = snapshot_of(dir.path(), 600);
    let whole = fs::read(snapshot.path()).unwrap();
    let store = dir.path().join("restored");
    for at in [200, whole.len() / 2, whole.len() - 40] {
        let mut bytes = whole.clone();
        bytes[at] ^= 16;
        fs::write(snapshot.path(), bytes).unwrap();
        let error = snapshot.restore(&store, &LAYOUT).err().unwrap();
        assert_names(&error, snapshot.path(), whole.len());
        assert_eq!(names(dir.path()), ["snapshot", "store"]);
    }
    fs::write(snapshot.path(), &whole).unwrap();
    assert_eq!(snapshot.restore(&store, &LAYOUT).unwrap().applied_seq(), 1);
}

#[test]
fn a_snapshot_under_another_name_or_of_a_newer_format_is_refused() {
    let dir = TempDir::new().unwrap();
    let snapshot = snapshot_of(dir.path(), 5);
    let snapshots = dir.path().join("snapshot");
    fs::rename(snapshot.path(), path(&snapshots, 5)).unwrap();
    let error = Snapshot::newest(&snapshots).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("it does not have the name of its seq"),
        "{error}"
    );
    fs::rename(path(&snapshots, 5), snapshots.join("copy.snapshot")).unwrap();
    let error = list(&snapshots).unwrap_err();
    assert!(error.to_string().ends_with("its name is no seq"), "{error}");
    fs::rename(snapshots.join("copy.snapshot"), snapshot.path()).unwrap();
    let mut bytes = fs::read(snapshot.path()).unwrap();
    bytes[4] = 2;
    let crc = crc32c::crc32c(&bytes[..124]);
    bytes[124..128].copy_from_slice(&crc.to_le_bytes());
    fs::write(snapshot.path(), bytes).unwrap();
    let error = Snapshot::newest(&snapshots).unwrap_err();
    assert!(
        matches!(error, SnapshotError::UnknownVersion { version: 2, .. }),
        "{error}"
    );
}

#[test]
fn an_older_snapshot_serves_while_the_journal_reaches_back_to_it_and_not_after() {
    let dir = TempDir::new().unwrap();
    let (snapshots, journal_dir) = (dir.path().join("snapshot"), dir.path().join("journal"));
    let store = Store::open(&dir.path().join("store"), &LAYOUT).unwrap();
    let options = Options { segment_bytes: 256 };
    let mut journal = Journal::open(&journal_dir, options, Floor::default())
        .unwrap()
        .journal;
    for seq in 1..=20 {
        journal.append(1, &[format!("event {seq}").into()]).unwrap();
        fill(&store, 3);
        if seq % 10 == 0 {
            let chain = journal.reader().chain_after(seq).unwrap();
            let origin = Origin { chain, ..origin(seq) };
            Snapshot::take(&store, &snapshots, &origin).unwrap();
        }
    }
    let upkeep = journal.upkeep();
    upkeep.trim(9).unwrap();
    drop(journal);
    let mut bytes = fs::read(path(&snapshots, 20)).unwrap();
    bytes[10] ^= 1;
    fs::write(path(&snapshots, 20), bytes).unwrap();
    assert!(Snapshot::newest(&snapshots).is_err());
    let older = Snapshot::open(&snapshots, list(&snapshots).unwrap()[1]).unwrap();
    let floor = Floor {
        snapshot_seq: older.origin().seq,
        snapshot_chain: older.origin().chain,
        store_seq: 0,
    };
    let opened = Journal::open(&journal_dir, options, floor).unwrap();
    assert!(opened.journal.reader().read(11, 20, 1_000).unwrap().len() == 10);
    opened.journal.upkeep().trim(19).unwrap();
    drop(opened);
    let error = Journal::open(&journal_dir, options, floor).err().unwrap();
    assert!(matches!(error, OpenError::Gap { expected: 11, .. }), "{error}");
}
