//! Removing old segments leaves a whole journal, wherever the removal stops.

use std::fs;

use tempfile::TempDir;

use super::*;
use crate::journal::SegmentFacts;

const SEGMENT_BYTES: u64 = 512;

fn open_on(dir: &Path, floor: Floor) -> Result<crate::journal::Opened, OpenError> {
    let options = Options {
        segment_bytes: SEGMENT_BYTES,
    };
    Journal::open(dir, options, floor)
}

fn snapshot_at(snapshot_seq: u64) -> Floor {
    Floor {
        snapshot_seq,
        ..Floor::default()
    }
}

fn journal_of(dir: &Path, events: u64) -> Journal {
    let mut journal = open(dir, SEGMENT_BYTES);
    while journal.last_seq() < events {
        append(&mut journal, 2);
    }
    journal
}

#[test]
fn whole_segments_before_a_seq_are_removed_and_the_rest_is_read_on() {
    let dir = TempDir::new().unwrap();
    let mut journal = journal_of(dir.path(), 60);
    let upkeep = journal.upkeep();
    let before = upkeep.segments();
    assert_eq!(upkeep.bytes(), before.len() as u64 * SEGMENT_BYTES);
    let third = before[2];
    assert_eq!(upkeep.trim(third.first_seq - 1).unwrap(), SEGMENT_BYTES);
    assert_eq!(upkeep.trim(third.first_seq).unwrap(), SEGMENT_BYTES);
    assert_eq!(upkeep.trim(third.last_seq).unwrap(), 0);
    assert_eq!(upkeep.segments(), before[2..]);
    assert_holds_events(&journal, third.first_seq, 60);
    let reader = journal.reader();
    match reader.read(third.first_seq - 1, 60, 100) {
        Err(ReadError::Trimmed { from, oldest }) => {
            assert_eq!((from, oldest), (third.first_seq - 1, third.first_seq));
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(reader.chain_after(1), Err(ReadError::Trimmed { .. })));
    append(&mut journal, 2);
    drop(journal);

    let opened = open_on(dir.path(), snapshot_at(third.first_seq - 1)).unwrap();
    assert_holds_events(&opened.journal, third.first_seq, 62);
    assert_eq!(opened.torn, None);
}

#[test]
fn the_segment_that_is_being_written_is_never_removed() {
    let dir = TempDir::new().unwrap();
    let mut journal = journal_of(dir.path(), 60);
    let upkeep = journal.upkeep();
    let newest = *upkeep.segments().last().unwrap();
    upkeep.trim(u64::MAX).unwrap();
    assert_eq!(upkeep.segments(), [newest]);
    assert_holds_events(&journal, newest.first_seq, 60);
    append(&mut journal, 2);
    drop(journal);
    let opened = open_on(dir.path(), snapshot_at(60)).unwrap();
    assert_holds_events(&opened.journal, newest.first_seq, 62);
}

#[test]
fn a_segment_without_entries_can_be_all_that_is_left() {
    let dir = TempDir::new().unwrap();
    drop(journal_of(dir.path(), 40));
    let newest = newest_segment(dir.path());
    let first_seq = *segment::list(dir.path()).unwrap().last().unwrap();
    let mut bytes = fs::read(&newest).unwrap();
    bytes[super::super::FILE_HEADER_BYTES..].fill(0);
    fs::write(&newest, bytes).unwrap();
    let mut journal = open(dir.path(), SEGMENT_BYTES);
    let upkeep = journal.upkeep();
    assert_eq!(
        upkeep.segments().last(),
        Some(&SegmentFacts {
            first_seq,
            last_seq: first_seq - 1,
            bytes: SEGMENT_BYTES
        })
    );
    upkeep.trim(first_seq).unwrap();
    upkeep.write_high_water().unwrap();
    assert_eq!(segment::list(dir.path()).unwrap(), [first_seq]);
    append(&mut journal, 3);
    drop(journal);
    let opened = open_on(dir.path(), snapshot_at(first_seq - 1)).unwrap();
    assert_holds_events(&opened.journal, first_seq, first_seq + 2);
    drop(opened);
    // Before the append, too: the mark is the chain in the file's header.
    let mut bytes = fs::read(&newest).unwrap();
    bytes[super::super::FILE_HEADER_BYTES..].fill(0);
    fs::write(&newest, bytes).unwrap();
    let opened = open_on(dir.path(), snapshot_at(first_seq - 1)).unwrap();
    assert_eq!(opened.journal.last_seq(), first_seq - 1);
    assert!(opened.notes.is_empty());
}

#[test]
fn a_trim_that_stops_anywhere_leaves_a_journal_that_opens() {
    let dir = TempDir::new().unwrap();
    let journal = journal_of(dir.path(), 60);
    journal.upkeep().write_high_water().unwrap();
    drop(journal);
    // The oldest segments go one after the other: these are all the states on the way.
    for first_seq in segment::list(dir.path()).unwrap() {
        let opened = open_on(dir.path(), snapshot_at(60)).unwrap();
        assert_holds_events(&opened.journal, first_seq, 60);
        assert!(opened.notes.is_empty(), "{:?}", opened.notes);
        let removed = opened.journal.upkeep().trim(first_seq + 1).unwrap();
        assert_eq!(removed, 0);
        let segments = opened.journal.upkeep().segments();
        if let Some(next) = segments.get(1) {
            assert_eq!(
                opened.journal.upkeep().trim(next.first_seq).unwrap(),
                SEGMENT_BYTES
            );
        }
    }
}

#[test]
fn a_journal_that_begins_behind_everything_else_is_a_gap() {
    let dir = TempDir::new().unwrap();
    let journal = journal_of(dir.path(), 60);
    let third = journal.upkeep().segments()[2].first_seq;
    journal.upkeep().trim(third).unwrap();
    drop(journal);
    let store_at = |store_seq| Floor {
        store_seq,
        ..Floor::default()
    };
    for floor in [Floor::default(), snapshot_at(third - 2), store_at(third - 2)] {
        let error = open_on(dir.path(), floor).err().unwrap();
        let OpenError::Gap {
            offset: 0,
            expected,
            found,
            file,
        } = error
        else {
            panic!("{error}")
        };
        assert_eq!(file, segment::path(dir.path(), third));
        assert_eq!(
            (expected, found),
            (floor.snapshot_seq.max(floor.store_seq) + 1, third)
        );
    }
    let opened = open_on(dir.path(), snapshot_at(third - 1)).unwrap();
    assert_holds_events(&opened.journal, third, 60);
    drop(opened);
    // With the store alone it goes on, and says what that means.
    let opened = open_on(dir.path(), store_at(third - 1)).unwrap();
    assert_holds_events(&opened.journal, third, 60);
    assert!(
        opened
            .notes
            .iter()
            .any(|note| note.contains("the store is the only copy")),
        "{:?}",
        opened.notes
    );
}

#[test]
fn a_removal_that_is_refused_leaves_no_gap_when_the_next_one_works() {
    let dir = TempDir::new().unwrap();
    let journal = journal_of(dir.path(), 60);
    let upkeep = journal.upkeep();
    let before = upkeep.segments();
    // A directory in its place cannot be removed as a file.
    let first = segment::path(dir.path(), 1);
    let aside = dir.path().join("aside");
    fs::rename(&first, &aside).unwrap();
    fs::create_dir(&first).unwrap();
    let error = upkeep.trim(30).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("cannot remove the journal segment /"),
        "{error}"
    );
    assert_eq!(upkeep.segments(), before);
    fs::remove_dir(&first).unwrap();
    fs::rename(&aside, &first).unwrap();
    assert_holds_events_through(&journal, 60);
    assert!(upkeep.trim(30).unwrap() > SEGMENT_BYTES);
    drop(journal);
    assert!(open_on(dir.path(), snapshot_at(29)).is_ok());
}

#[test]
fn readers_and_the_writer_go_on_while_another_thread_trims() {
    const LAST: u64 = 3_000;
    let dir = TempDir::new().unwrap();
    let mut journal = open(dir.path(), 2048);
    let upkeep = journal.upkeep();
    let trimming = thread::spawn(move || {
        let mut removed = 0;
        while upkeep.position().seq < LAST {
            removed += upkeep.trim(upkeep.position().seq.saturating_sub(200)).unwrap();
            upkeep.write_high_water().unwrap();
        }
        removed
    });
    let reading = thread::spawn({
        let reader = journal.reader();
        move || {
            let (mut next, mut trimmed) = (1, 0);
            while next <= LAST {
                match reader.read(next, u64::MAX, 400) {
                    Ok(page) => {
                        for (seq, found) in page {
                            assert_eq!((seq, &found), (next, &event(next)));
                            next += 1;
                        }
                    }
                    Err(ReadError::Trimmed { from, oldest }) => {
                        assert!(from == next && oldest > next, "{from} {oldest}");
                        next = oldest;
                        trimmed += 1;
                    }
                    Err(error) => panic!("{error}"),
                }
            }
            trimmed
        }
    });
    while journal.last_seq() < LAST {
        append(&mut journal, 4);
    }
    reading.join().unwrap();
    assert!(trimming.join().unwrap() > 0);
    let oldest = journal.reader().oldest_seq();
    assert!(oldest > 1_000);
    drop(journal);
    let options = Options { segment_bytes: 2048 };
    let opened = Journal::open(dir.path(), options, snapshot_at(LAST)).unwrap();
    assert_holds_events(&opened.journal, oldest, LAST);
}
