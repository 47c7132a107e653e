//! A journal on real files: appending, rolling over, reading, starting again.

mod damage;
mod end;
pub(crate) mod full_disk;
mod tear;
mod trim;
mod window;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use bytes::Bytes;
use tempfile::TempDir;

use super::{Floor, Journal, OpenError, Options, ReadError, TornTail, write::segment};

const EPOCH: u64 = 3;

/// The contents of event `seq` in every test: no zeros, and lengths that vary.
fn event(seq: u64) -> Bytes {
    let text = format!("event {seq} ").repeat(1 + (seq % 5) as usize);
    Bytes::from(text)
}

fn events(first: u64, count: u64) -> Vec<Bytes> {
    (first..first + count).map(event).collect()
}

fn append(journal: &mut Journal, count: u64) {
    let first = journal.last_seq() + 1;
    let last = journal.append(EPOCH, &events(first, count)).unwrap();
    assert_eq!(last, first + count - 1);
}

fn open_with(dir: &Path, segment_bytes: u64) -> Result<(Journal, Option<TornTail>), OpenError> {
    let opened = Journal::open(dir, Options { segment_bytes }, Floor::default())?;
    Ok((opened.journal, opened.torn))
}

/// Opens a journal that must be whole.
fn open(dir: &Path, segment_bytes: u64) -> Journal {
    let (journal, torn) = open_with(dir, segment_bytes).unwrap();
    assert_eq!(torn, None);
    journal
}

fn assert_holds_events_through(journal: &Journal, last: u64) {
    assert_holds_events(journal, 1, last);
}

fn assert_holds_events(journal: &Journal, oldest: u64, last: u64) {
    assert_eq!(
        (journal.reader().oldest_seq(), journal.last_seq()),
        (oldest, last)
    );
    let found = journal.reader().read(oldest, u64::MAX, usize::MAX).unwrap();
    let expected: Vec<(u64, Bytes)> = (oldest..=last).map(|seq| (seq, event(seq))).collect();
    assert_eq!(found, expected);
}

fn newest_segment(dir: &Path) -> PathBuf {
    segment::path(dir, *segment::list(dir).unwrap().last().unwrap())
}

/// All files of a journal, to be put back after each try.
struct Image(BTreeMap<PathBuf, Vec<u8>>);

impl Image {
    fn of(dir: &Path) -> Image {
        let files = segment::list(dir).unwrap().into_iter().map(|first_seq| {
            let path = segment::path(dir, first_seq);
            let bytes = fs::read(&path).unwrap();
            (path, bytes)
        });
        Image(files.collect())
    }

    fn put_back(&self, dir: &Path) {
        for first_seq in segment::list(dir).unwrap() {
            fs::remove_file(segment::path(dir, first_seq)).unwrap();
        }
        for (path, bytes) in &self.0 {
            fs::write(path, bytes).unwrap();
        }
    }
}

#[test]
fn a_new_journal_is_empty_and_starts_with_seq_one() {
    let dir = TempDir::new().unwrap();
    let mut journal = open(&dir.path().join("journal"), 4096);
    assert_eq!(journal.last_seq(), 0);
    assert_eq!(journal.reader().oldest_seq(), 1);
    assert!(journal.reader().read(1, 10, 1000).unwrap().is_empty());
    assert_eq!(journal.append(EPOCH, &[]).unwrap(), 0);
    assert_eq!(journal.append(EPOCH, &events(1, 3)).unwrap(), 3);
}

#[test]
fn what_was_appended_is_there_after_each_of_many_openings() {
    let dir = TempDir::new().unwrap();
    let mut last = 0;
    for round in 0..40 {
        let mut journal = open(dir.path(), 1024);
        assert_holds_events_through(&journal, last);
        for count in 1..=round % 4 {
            append(&mut journal, count);
            last += count;
        }
        assert_holds_events_through(&journal, last);
    }
    assert!(segment::list(dir.path()).unwrap().len() > 3);
    assert!(!segment::temporary_path(dir.path(), "spare").exists());
}

#[test]
fn an_empty_event_is_an_event() {
    let dir = TempDir::new().unwrap();
    let mut journal = open(dir.path(), 1024);
    journal.append(EPOCH, &[Bytes::new(), Bytes::new()]).unwrap();
    let expected = vec![(1, Bytes::new()), (2, Bytes::new())];
    assert_eq!(journal.reader().read(1, 2, 100).unwrap(), expected);
}

#[test]
fn appending_goes_on_across_many_segments_without_changing_the_size_of_any() {
    let dir = TempDir::new().unwrap();
    let mut journal = open(dir.path(), 512);
    for count in (1..=3).cycle().take(300) {
        append(&mut journal, count);
    }
    let segments = segment::list(dir.path()).unwrap();
    assert!(segments.len() > 50, "only {} segments", segments.len());
    for first_seq in segments {
        assert_eq!(
            fs::metadata(segment::path(dir.path(), first_seq)).unwrap().len(),
            512
        );
    }
    assert_holds_events_through(&journal, 600);
    drop(journal);
    assert_holds_events_through(&open(dir.path(), 512), 600);
}

#[test]
fn the_length_of_segments_may_change_between_openings() {
    let dir = TempDir::new().unwrap();
    for segment_bytes in [600, 4096, 0, 200, 2048] {
        let mut journal = open(dir.path(), segment_bytes);
        for _ in 0..20 {
            append(&mut journal, 2);
        }
    }
    assert_holds_events_through(&open(dir.path(), 512), 200);
}

#[test]
fn an_entry_larger_than_a_segment_gets_one_to_itself() {
    let dir = TempDir::new().unwrap();
    let mut journal = open(dir.path(), 512);
    // In the empty first segment, behind others, and twice in a row.
    for count in [40, 1, 50, 60, 2, 1] {
        append(&mut journal, count);
    }
    assert_holds_events_through(&journal, 154);
    drop(journal);
    let mut journal = open(dir.path(), 512);
    append(&mut journal, 70);
    drop(journal);
    let mut journal = open(dir.path(), 512);
    append(&mut journal, 1);
    assert_holds_events_through(&journal, 225);
}

#[test]
fn an_entry_larger_than_what_is_read_at_once_is_read_back() {
    let dir = TempDir::new().unwrap();
    let large = Bytes::from(vec![7; 3_000_000]);
    let mut journal = open(dir.path(), 65_536);
    journal
        .append(EPOCH, &[event(1), large.clone(), event(3)])
        .unwrap();
    drop(journal);
    let reader = open(dir.path(), 65_536).reader();
    assert_eq!(reader.read(2, 3, 1).unwrap(), vec![(2, large)]);
    assert_eq!(reader.read(3, 3, 1).unwrap(), vec![(3, event(3))]);
}

#[test]
fn a_page_begins_at_any_seq_and_ends_at_the_limit_asked_for() {
    let dir = TempDir::new().unwrap();
    let mut journal = open(dir.path(), 700);
    for count in [1, 7, 2, 30, 1, 1, 9] {
        append(&mut journal, count);
    }
    let reader = journal.reader();
    for from in 1..=51 {
        for through in from..=51 {
            for max_bytes in [0, 30, 100, 10_000] {
                let page = reader.read(from, through, max_bytes).unwrap();
                let bytes: usize = page.iter().map(|(_, event)| event.len()).sum();
                assert!(!page.is_empty());
                assert!(bytes <= max_bytes || page.len() == 1);
                let next = from + page.len() as u64;
                let is_last = next > through || bytes + event(next).len() > max_bytes;
                assert!(
                    is_last,
                    "{from}..={through} in {max_bytes} bytes: {} events",
                    page.len()
                );
                for (place, (seq, found)) in page.iter().enumerate() {
                    assert_eq!((*seq, found), (from + place as u64, &event(*seq)));
                }
            }
        }
    }
    assert!(reader.read(52, 60, 100).unwrap().is_empty());
    assert!(reader.read(9, 8, 100).unwrap().is_empty());
    assert!(matches!(
        reader.read(0, 8, 100),
        Err(ReadError::Trimmed { from: 0, oldest: 1 })
    ));
}

#[test]
fn marks_lead_to_every_seq_of_a_long_segment() {
    let dir = TempDir::new().unwrap();
    let large = Bytes::from(vec![1; 30_000]);
    let mut journal = open(dir.path(), 10_000_000);
    for _ in 0..50 {
        journal
            .append(EPOCH, &[large.clone(), Bytes::from_static(b"x")])
            .unwrap();
    }
    let reopened = open(dir.path(), 10_000_000);
    for reader in [journal.reader(), reopened.reader()] {
        for seq in 1..=100 {
            let expected = if seq % 2 == 1 { large.len() } else { 1 };
            let page = reader.read(seq, seq, 1).unwrap();
            assert_eq!((page.len(), page[0].0, page[0].1.len()), (1, seq, expected));
        }
    }
}

#[test]
fn readers_follow_the_writer_across_segments() {
    const LAST: u64 = 2_000;
    let dir = TempDir::new().unwrap();
    let mut journal = open(dir.path(), 2048);
    let readers: Vec<_> = (1..=3)
        .map(|speed| {
            let reader = journal.reader();
            thread::spawn(move || {
                let mut next = 1;
                while next <= LAST {
                    for (seq, found) in reader.read(next, u64::MAX, speed * 50).unwrap() {
                        assert_eq!((seq, &found), (next, &event(next)));
                        next += 1;
                    }
                    thread::yield_now();
                }
            })
        })
        .collect();
    while journal.last_seq() < LAST {
        append(&mut journal, 4);
    }
    for reader in readers {
        reader.join().unwrap();
    }
}

#[test]
fn whoever_looks_after_the_reserve_meanwhile_touches_no_segment() {
    let dir = TempDir::new().unwrap();
    let mut journal = open(dir.path(), 4096);
    let (upkeep, is_over) = (journal.upkeep(), Arc::new(AtomicBool::new(false)));
    let over = Arc::clone(&is_over);
    let replenishing = thread::spawn(move || {
        while !over.load(Ordering::Relaxed) {
            upkeep.replenish().unwrap();
        }
    });
    while segment::list(dir.path()).unwrap().len() < 50 {
        append(&mut journal, 4);
    }
    is_over.store(true, Ordering::Relaxed);
    replenishing.join().unwrap();
    let last = journal.last_seq();
    drop(journal);
    assert_holds_events_through(&open(dir.path(), 4096), last);
}

#[test]
fn leftovers_of_a_segment_in_the_making_are_removed() {
    let dir = TempDir::new().unwrap();
    append(&mut open(dir.path(), 1024), 5);
    for name in ["spare", "new"] {
        fs::write(segment::temporary_path(dir.path(), name), b"half a segment").unwrap();
    }
    let mut journal = open(dir.path(), 1024);
    for name in ["spare", "new"] {
        assert!(!segment::temporary_path(dir.path(), name).exists());
    }
    append(&mut journal, 5);
    assert_holds_events_through(&journal, 10);
}

#[test]
fn a_segment_that_was_begun_before_a_crash_and_has_no_entry_is_used() {
    let dir = TempDir::new().unwrap();
    let mut journal = open(dir.path(), 512);
    while segment::list(dir.path()).unwrap().len() < 3 {
        append(&mut journal, 2);
    }
    let last = journal.last_seq() - 2;
    drop(journal);
    let newest = newest_segment(dir.path());
    let mut bytes = fs::read(&newest).unwrap();
    bytes[super::FILE_HEADER_BYTES..].fill(0);
    fs::write(&newest, bytes).unwrap();

    let mut journal = open(dir.path(), 512);
    assert_holds_events_through(&journal, last);
    append(&mut journal, 2);
    assert_eq!(segment::list(dir.path()).unwrap().len(), 3);
    // An entry too large for the begun segment makes it longer.
    drop(journal);
    let mut bytes = fs::read(&newest).unwrap();
    bytes[super::FILE_HEADER_BYTES..].fill(0);
    fs::write(&newest, bytes).unwrap();
    let mut journal = open(dir.path(), 512);
    append(&mut journal, 80);
    drop(journal);
    assert_holds_events_through(&open(dir.path(), 512), last + 80);
}

#[test]
fn after_a_failed_append_every_later_one_is_refused() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("journal");
    let mut journal = open(&path, 512);
    append(&mut journal, 2);
    let moved = dir.path().join("moved");
    fs::rename(&path, &moved).unwrap();
    // The events fit nowhere, so a new segment has to be created where no file can be.
    let error = journal.append(EPOCH, &events(3, 100)).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    assert!(
        error
            .to_string()
            .starts_with("cannot create the journal segment /"),
        "{error}"
    );
    fs::rename(&moved, &path).unwrap();
    let error = journal.append(EPOCH, &events(3, 1)).unwrap_err();
    assert!(
        error.to_string().contains("an earlier write to it failed"),
        "{error}"
    );
    assert_eq!(journal.last_seq(), 2);
    drop(journal);
    assert_holds_events_through(&open(&path, 512), 2);
}
