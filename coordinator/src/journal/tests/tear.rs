//! An end that an interrupted write can leave is cut, and nothing is lost.

use std::fs;

use bytes::Bytes;
use tempfile::TempDir;

use super::*;
use crate::journal::{FILE_HEADER_BYTES, format};

const SEGMENT_BYTES: u64 = 2048;

/// A journal of entries whose last one holds `count` events; returns where that
/// entry is in the newest segment and how long it is without its padding.
fn journal_with_last_entry(dir: &Path, count: u64) -> (u64, usize, usize) {
    let mut journal = open(dir, SEGMENT_BYTES);
    for _ in 0..12 {
        append(&mut journal, 3);
    }
    let intact = journal.last_seq();
    let start = journal.active.end as usize;
    append(&mut journal, count);
    assert!(
        start > FILE_HEADER_BYTES,
        "the last entry has to stand behind another in its segment"
    );
    let bytes = format::ENTRY_HEADER_BYTES + format::payload_bytes(&events(intact + 1, count));
    (intact, start, bytes)
}

/// Damages the last entry in one way after the other; it is cut every time, and
/// the journal goes on.
fn check_every_tear(damage: impl Fn(&mut Vec<u8>, usize)) {
    let dir = TempDir::new().unwrap();
    let (intact, start, bytes) = journal_with_last_entry(dir.path(), 3);
    let image = Image::of(dir.path());
    let newest = newest_segment(dir.path());
    for offset in start..start + bytes {
        image.put_back(dir.path());
        let mut damaged = fs::read(&newest).unwrap();
        damage(&mut damaged, offset);
        fs::write(&newest, damaged).unwrap();

        let (mut journal, torn) = open_with(dir.path(), SEGMENT_BYTES).unwrap();
        let torn = torn.map(|torn| (torn.file, torn.offset as usize, torn.first_seq));
        // Without its first byte the entry cannot be seen.
        let expected = (offset > start).then(|| (newest.clone(), start, intact + 1));
        assert_eq!(torn, expected, "at byte {}", offset - start);
        assert_holds_events_through(&journal, intact);
        append(&mut journal, 2);
        drop(journal);
        assert_holds_events_through(&open(dir.path(), SEGMENT_BYTES), intact + 2);
    }
}

#[test]
fn a_last_entry_that_is_zero_from_any_byte_on_is_cut_and_the_journal_goes_on() {
    check_every_tear(|bytes, offset| bytes[offset..].fill(0));
}

#[test]
fn a_last_entry_without_its_beginning_is_cut() {
    let dir = TempDir::new().unwrap();
    let (intact, start, bytes) = journal_with_last_entry(dir.path(), 3);
    let image = Image::of(dir.path());
    let newest = newest_segment(dir.path());
    for missing in 1..bytes {
        image.put_back(dir.path());
        let mut damaged = fs::read(&newest).unwrap();
        damaged[start..start + missing].fill(0);
        fs::write(&newest, damaged).unwrap();
        let (journal, torn) = open_with(dir.path(), SEGMENT_BYTES).unwrap();
        assert_eq!(torn.unwrap().offset as usize, start);
        assert_holds_events_through(&journal, intact);
        drop(journal);
        assert_eq!(open(dir.path(), SEGMENT_BYTES).last_seq(), intact);
    }
}

#[test]
fn a_flipped_bit_in_the_last_entry_never_changes_an_event_silently() {
    let dir = TempDir::new().unwrap();
    let (intact, start, bytes) = journal_with_last_entry(dir.path(), 2);
    let image = Image::of(dir.path());
    let newest = newest_segment(dir.path());
    for bit in 0..bytes * 8 {
        image.put_back(dir.path());
        let mut damaged = fs::read(&newest).unwrap();
        damaged[start + bit / 8] ^= 1 << (bit % 8);
        fs::write(&newest, damaged).unwrap();
        let (journal, torn) = open_with(dir.path(), SEGMENT_BYTES).unwrap();
        assert_eq!(torn.unwrap().offset as usize, start);
        assert_holds_events_through(&journal, intact);
    }
}

#[test]
fn a_torn_entry_names_its_seqs_as_far_as_they_are_readable() {
    let dir = TempDir::new().unwrap();
    let (intact, start, _) = journal_with_last_entry(dir.path(), 5);
    let image = Image::of(dir.path());
    let newest = newest_segment(dir.path());
    for (cut, last_seq) in [(start + 30, None), (start + 60, Some(intact + 5))] {
        image.put_back(dir.path());
        let mut damaged = fs::read(&newest).unwrap();
        damaged[cut..].fill(0);
        fs::write(&newest, damaged).unwrap();
        let (_, torn) = open_with(dir.path(), SEGMENT_BYTES).unwrap();
        let torn = torn.unwrap();
        assert_eq!(torn.last_seq, last_seq);
        let sentence = format!(
            "cut an unfinished entry at offset {start} of {}: seq 37",
            newest.display()
        );
        assert!(torn.to_string().starts_with(&sentence), "{torn}");
    }
}

#[test]
fn a_payload_that_looks_like_an_entry_does_not_turn_a_tear_into_damage() {
    let dir = TempDir::new().unwrap();
    let mut journal = open(dir.path(), SEGMENT_BYTES);
    append(&mut journal, 3);
    let start = journal.active.end as usize;
    let mut forged = Vec::new();
    format::encode_entry(&mut forged, 0, EPOCH, 5, 0, &[event(5)]);
    // At every alignment, so that one forgery stands where an entry may begin.
    let forgeries: Vec<Bytes> = (0..8)
        .map(|shift| [vec![b'.'; shift], forged.clone()].concat().into())
        .collect();
    journal.append(EPOCH, &forgeries).unwrap();
    drop(journal);
    let newest = newest_segment(dir.path());
    let mut damaged = fs::read(&newest).unwrap();
    damaged[start] = 0;
    fs::write(&newest, damaged).unwrap();
    let (journal, torn) = open_with(dir.path(), SEGMENT_BYTES).unwrap();
    assert_eq!(torn.unwrap().offset as usize, start);
    assert_holds_events_through(&journal, 3);
}
