//! The catalog of segments, with marks in each that say where to look for a seq. The writer and all readers share one.

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard},
};

use crate::journal::{
    format::{FILE_HEADER_BYTES, FileHeader},
    open::high_water::Position,
    write::segment,
};

/// Bytes between two marks in a segment: a reader walks over so many at most before its first event. A gigabyte of
/// journal has 256 KiB of marks.
const MARK_DISTANCE: u64 = 64 * 1024;

/// A segment as upkeep sees it, which decides how many are kept. Its age is the age of its first event, which a reader
/// reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentFacts {
    pub first_seq: u64,
    /// One less than `first_seq` while it has no entry.
    pub last_seq: u64,
    /// Bytes that the file takes.
    pub bytes: u64,
}

pub(crate) struct Catalog {
    dir: PathBuf,
    contents: Mutex<Contents>,
}

/// Where to begin reading for a seq, and how far its segment goes.
pub(crate) struct Location {
    pub(crate) file: PathBuf,
    /// The chain in the file's header.
    pub(crate) salt: u64,
    /// The offset of an entry at or before the seq.
    pub(crate) offset: u64,
    /// The last seq in the file that is on disk.
    pub(crate) last_seq: u64,
}

impl Catalog {
    pub(crate) fn new(dir: &Path, segments: Vec<Marks>, last: Position) -> Catalog {
        Catalog {
            dir: dir.to_owned(),
            contents: Mutex::new(Contents { segments, last }),
        }
    }

    /// The last seq that is on disk; 0 when there is none.
    pub(crate) fn last_seq(&self) -> u64 {
        self.last().seq
    }

    /// The end of the last entry that is on disk.
    pub(crate) fn last(&self) -> Position {
        self.lock().last
    }

    /// The first seq of the first segment.
    pub(crate) fn oldest_seq(&self) -> u64 {
        self.lock()
            .segments
            .first()
            .map_or(1, |segment| segment.first_seq)
    }

    /// All segments, the oldest first; the last one is being written.
    pub(crate) fn segments(&self) -> Vec<SegmentFacts> {
        let contents = self.lock();
        let mut end = contents.last.seq;
        let newest_first = contents.segments.iter().rev().map(|segment| {
            let last_seq = std::mem::replace(&mut end, segment.first_seq - 1);
            SegmentFacts {
                first_seq: segment.first_seq,
                last_seq,
                bytes: segment.bytes,
            }
        });
        let mut facts: Vec<SegmentFacts> = newest_first.collect();
        facts.reverse();
        facts
    }

    /// Bytes that all segments take on disk.
    pub(crate) fn bytes(&self) -> u64 {
        self.lock().segments.iter().map(|segment| segment.bytes).sum()
    }

    /// A new segment of `bytes` follows the others.
    pub(crate) fn begin_segment(&self, header: &FileHeader, bytes: u64) {
        self.lock().segments.push(Marks::new(header, bytes));
    }

    /// The newest segment is `bytes` long now.
    pub(crate) fn resize_newest(&self, bytes: u64) {
        if let Some(segment) = self.lock().segments.last_mut() {
            segment.bytes = bytes;
        }
    }

    /// Forgets the oldest segment, if another follows it and it ends before `seq`. No reader looks for it any more.
    pub(crate) fn take_oldest_before(&self, seq: u64) -> Option<Marks> {
        let mut contents = self.lock();
        let following = contents.segments.get(1)?.first_seq;
        (following <= seq).then(|| contents.segments.remove(0))
    }

    /// Undoes `take_oldest_before`.
    pub(crate) fn put_back_oldest(&self, segment: Marks) {
        self.lock().segments.insert(0, segment);
    }

    /// An entry of the newest segment is on disk.
    pub(crate) fn record(&self, first_seq: u64, last: Position, offset: u64) {
        let mut contents = self.lock();
        contents.last = last;
        if let Some(segment) = contents.segments.last_mut() {
            segment.record(first_seq, offset);
        }
    }

    /// `None` when no segment begins at or before `seq`.
    pub(crate) fn locate(&self, seq: u64) -> Option<Location> {
        let contents = self.lock();
        let following = contents
            .segments
            .partition_point(|segment| segment.first_seq <= seq);
        let segment = &contents.segments[following.checked_sub(1)?];
        Some(Location {
            file: segment::path(&self.dir, segment.first_seq),
            salt: segment.salt,
            offset: segment.locate(seq),
            last_seq: contents
                .segments
                .get(following)
                .map_or(contents.last.seq, |next| next.first_seq - 1),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().expect("no holder of this lock panics")
    }
}

struct Contents {
    segments: Vec<Marks>,
    last: Position,
}

/// One segment and the offsets of some of its entries.
pub(crate) struct Marks {
    pub(crate) first_seq: u64,
    salt: u64,
    /// The length of the file.
    pub(crate) bytes: u64,
    /// The first seq and the offset of entries, in order.
    marks: Vec<(u64, u64)>,
}

impl Marks {
    pub(crate) fn new(header: &FileHeader, bytes: u64) -> Marks {
        let first_entry = (header.first_seq, FILE_HEADER_BYTES as u64);
        Marks {
            first_seq: header.first_seq,
            salt: header.chain,
            bytes,
            marks: vec![first_entry],
        }
    }

    /// Marks the entry at `offset` when the mark before is far enough away.
    pub(crate) fn record(&mut self, first_seq: u64, offset: u64) {
        let last = self.marks.last().map_or(0, |&(_, offset)| offset);
        if offset >= last + MARK_DISTANCE {
            self.marks.push((first_seq, offset));
        }
    }

    fn locate(&self, seq: u64) -> u64 {
        let following = self.marks.partition_point(|&(first_seq, _)| first_seq <= seq);
        self.marks[following.saturating_sub(1)].1
    }
}
