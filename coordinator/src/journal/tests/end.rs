//! The journal's end: witnesses prove that events are missing there.

use std::fs;

use tempfile::TempDir;

use super::*;
use crate::journal::{
    Position, Witness,
    open::high_water,
    tests::window::{SEGMENT_BYTES, journal_with_mark, open_on},
};

fn store_at(store_seq: u64) -> Floor {
    Floor {
        store_seq,
        ..Floor::default()
    }
}

#[test]
fn a_journal_that_ends_before_what_anybody_knows_is_refused_and_not_changed() {
    let dir = TempDir::new().unwrap();
    journal_with_mark(dir.path(), 3, 1);
    let file = newest_segment(dir.path());
    let mut bytes = fs::read(&file).unwrap();
    let end = bytes.iter().rposition(|&byte| byte != 0).unwrap();
    bytes[end - 20..].fill(0);
    fs::write(&file, bytes).unwrap();
    let before = Image::of(dir.path()).0;
    let snapshot = Floor {
        snapshot_seq: 11,
        ..Floor::default()
    };
    for (floor, known, witness) in [
        (store_at(12), 12, Witness::Store),
        (snapshot, 11, Witness::Snapshot),
    ] {
        let error = open_on(dir.path(), floor).err().unwrap();
        let OpenError::EndsEarly {
            last: 9,
            known: found,
            witness: by,
            ..
        } = error
        else {
            panic!("{error}")
        };
        assert_eq!((found, by), (known, witness));
        assert!(error.to_string().contains(&file.display().to_string()), "{error}");
        assert!(Image::of(dir.path()).0 == before);
    }
    // All events that a witness knows are there, so the rest was torn.
    let opened = open_on(dir.path(), store_at(9)).unwrap();
    assert!(opened.torn.is_some());
    assert_holds_events_through(&opened.journal, 9);
    drop(opened);

    high_water::write(dir.path(), Position { seq: 10, chain: 1 }).unwrap();
    let error = open_on(dir.path(), store_at(9)).err().unwrap();
    assert!(
        matches!(
            error,
            OpenError::EndsEarly {
                last: 9,
                known: 10,
                witness: Witness::HighWater,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn a_journal_without_any_file_is_refused_when_something_was_confirmed() {
    let dir = TempDir::new().unwrap();
    journal_with_mark(dir.path(), 3, 0);
    for first_seq in segment::list(dir.path()).unwrap() {
        fs::remove_file(segment::path(dir.path(), first_seq)).unwrap();
    }
    for floor in [Floor::default(), store_at(9)] {
        let error = open_on(dir.path(), floor).err().unwrap();
        assert!(
            matches!(
                error,
                OpenError::EndsEarly {
                    last: 0,
                    known: 9,
                    ..
                }
            ),
            "{error}"
        );
        assert!(
            error
                .help()
                .contains(&format!("'cp -a {0} {0}.kept'", dir.path().display()))
        );
    }
}

#[test]
fn an_intact_journal_with_another_history_is_refused() {
    let dir = TempDir::new().unwrap();
    journal_with_mark(dir.path(), 4, 2);
    let chain = open(dir.path(), SEGMENT_BYTES).reader().chain_after(12).unwrap();
    let floor = |seq, chain| Floor {
        snapshot_seq: seq,
        snapshot_chain: chain,
        store_seq: 0,
    };
    assert!(open_on(dir.path(), floor(12, chain)).is_ok());
    assert!(open_on(dir.path(), floor(0, Some(7))).is_ok());
    for floor in [floor(12, Some(7)), floor(11, chain)] {
        let error = open_on(dir.path(), floor).err().unwrap();
        assert!(
            matches!(
                error,
                OpenError::OtherHistory {
                    witness: Witness::Snapshot,
                    ..
                }
            ),
            "{error}"
        );
    }
    // The high-water file of another journal, at the end of an entry and in the middle of one.
    for seq in [12, 11] {
        high_water::write(dir.path(), Position { seq, chain: 7 }).unwrap();
        let error = open_on(dir.path(), Floor::default()).err().unwrap();
        assert!(
            matches!(error, OpenError::OtherHistory { seq: found, witness: Witness::HighWater, .. } if found == seq),
            "{error}"
        );
    }
}

#[test]
fn a_reader_knows_the_chain_where_an_entry_ends_and_only_there() {
    let dir = TempDir::new().unwrap();
    let mut journal = open(dir.path(), 512);
    let mut chains = Vec::new();
    for _ in 0..30 {
        append(&mut journal, 2);
        chains.push(journal.upkeep().position());
    }
    let reader = journal.reader();
    for position in &chains {
        assert_eq!(reader.chain_after(position.seq).unwrap(), Some(position.chain));
        assert_eq!(reader.chain_after(position.seq - 1).unwrap(), None);
    }
    assert_eq!(reader.chain_after(61).unwrap(), None);
}

#[test]
fn a_missing_or_damaged_high_water_file_is_ignored_with_a_note() {
    let dir = TempDir::new().unwrap();
    let new = open_on(dir.path(), Floor::default()).unwrap();
    assert_eq!(new.notes, Vec::<String>::new());
    drop(new);
    journal_with_mark(dir.path(), 3, 0);
    let opened = open_on(dir.path(), Floor::default()).unwrap();
    assert_eq!(opened.notes, Vec::<String>::new());
    drop(opened);
    let file = high_water::path(dir.path());
    fs::write(&file, b"something else").unwrap();
    let opened = open_on(dir.path(), Floor::default()).unwrap();
    assert!(
        opened.notes[0].contains("it has the wrong length"),
        "{:?}",
        opened.notes
    );
    drop(opened);
    fs::remove_file(&file).unwrap();
    let opened = open_on(dir.path(), Floor::default()).unwrap();
    assert!(
        opened.notes[0].starts_with("there is no high-water file"),
        "{:?}",
        opened.notes
    );
    // The next mark makes it right again.
    opened.journal.upkeep().write_high_water().unwrap();
    drop(opened);
    assert!(open_on(dir.path(), Floor::default()).unwrap().notes.is_empty());
}

#[test]
fn the_high_water_file_is_written_only_when_something_was_appended_and_the_journal_is_open() {
    let dir = TempDir::new().unwrap();
    let file = high_water::path(dir.path());
    let mut journal = open(dir.path(), SEGMENT_BYTES);
    let upkeep = journal.upkeep();
    upkeep.write_high_water().unwrap();
    assert!(!file.exists());
    append(&mut journal, 1);
    upkeep.write_high_water().unwrap();
    fs::remove_file(&file).unwrap();
    upkeep.write_high_water().unwrap();
    assert!(!file.exists(), "it was written without need");
    append(&mut journal, 1);
    upkeep.write_high_water().unwrap();
    assert!(file.exists());
    drop(journal);
    let error = upkeep.write_high_water().unwrap_err();
    assert!(error.to_string().ends_with("the journal is closed"), "{error}");
    assert!(upkeep.trim(2).is_err());
}
