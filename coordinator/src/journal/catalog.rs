//! Which segments there are and where in them to begin looking for a seq. The
//! writer and all readers share one.

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard},
};

use super::{
    format::{FILE_HEADER_BYTES, FileHeader},
    segment,
};

/// Distance between two marks in a segment, in bytes: what a reader walks over
/// at most before its first event. A gigabyte of journal has 256 KiB of marks.
const MARK_DISTANCE: u64 = 64 * 1024;

pub(super) struct Catalog {
    dir: PathBuf,
    contents: Mutex<Contents>,
}

/// Where to begin reading for a seq, and how far its segment goes.
pub(super) struct Place {
    pub(super) file: PathBuf,
    /// The chain in the file's header.
    pub(super) salt: u64,
    /// The offset of an entry at or before the seq.
    pub(super) offset: u64,
    /// The last seq in the file that is on disk.
    pub(super) last_seq: u64,
}

impl Catalog {
    pub(super) fn new(dir: &Path, segments: Vec<Marks>, last_seq: u64) -> Catalog {
        Catalog {
            dir: dir.to_owned(),
            contents: Mutex::new(Contents { segments, last_seq }),
        }
    }

    /// The last seq that is on disk; 0 when there is none.
    pub(super) fn last_seq(&self) -> u64 {
        self.lock().last_seq
    }

    /// The first seq of the first segment.
    pub(super) fn oldest_seq(&self) -> u64 {
        self.lock()
            .segments
            .first()
            .map_or(1, |segment| segment.first_seq)
    }

    /// A new segment follows the others.
    pub(super) fn begin_segment(&self, header: &FileHeader) {
        self.lock().segments.push(Marks::new(header));
    }

    /// An entry of the newest segment is on disk.
    pub(super) fn record(&self, first_seq: u64, last_seq: u64, offset: u64) {
        let mut contents = self.lock();
        contents.last_seq = last_seq;
        if let Some(segment) = contents.segments.last_mut() {
            segment.record(first_seq, offset);
        }
    }

    /// None when no segment begins at or before `seq`.
    pub(super) fn locate(&self, seq: u64) -> Option<Place> {
        let contents = self.lock();
        let following = contents
            .segments
            .partition_point(|segment| segment.first_seq <= seq);
        let segment = &contents.segments[following.checked_sub(1)?];
        Some(Place {
            file: segment::path(&self.dir, segment.first_seq),
            salt: segment.salt,
            offset: segment.locate(seq),
            last_seq: contents
                .segments
                .get(following)
                .map_or(contents.last_seq, |next| next.first_seq - 1),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().expect("no holder of this lock panics")
    }
}

struct Contents {
    segments: Vec<Marks>,
    last_seq: u64,
}

/// One segment and the places of some of its entries.
pub(super) struct Marks {
    first_seq: u64,
    salt: u64,
    /// The first seq and the offset of entries, in order.
    marks: Vec<(u64, u64)>,
}

impl Marks {
    pub(super) fn new(header: &FileHeader) -> Marks {
        let first_entry = (header.first_seq, FILE_HEADER_BYTES as u64);
        Marks {
            first_seq: header.first_seq,
            salt: header.chain,
            marks: vec![first_entry],
        }
    }

    /// Marks the entry at `offset` when the mark before is far enough away.
    pub(super) fn record(&mut self, first_seq: u64, offset: u64) {
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
