//! The append-only log of events: the truth that everything else is rebuilt from.
//!
//! It keeps opaque payloads, one per event, numbered from 1 without gaps. An entry
//! is what was appended together: it is on disk whole or not at all. Entries stand
//! in segment files, named by their first seq, of which only the newest is written.
//!
//! What must stay true:
//! - An entry is on disk before [`Journal::append`] returns, and before the next
//!   is written. So an interrupted write leaves one unreadable entry, at the end.
//! - A segment has its name when it is zeroed, has its header and is on disk, and
//!   not before. What a crash leaves of one in the making is removed by the next
//!   opening.
//! - After a failed write or sync nothing more is appended: what the disk holds
//!   is unknown until the journal is opened again.
//! - Segments are removed oldest first, one after the other, so the journal never has
//!   a gap. It may begin behind seq 1, if what was before is in a snapshot or the store.
//!
//! What becomes of damage at the next opening:
//! - In a file's header, in any entry with another behind it, in a missing or cut file:
//!   refused, naming file and offset.
//! - In the last entry, or behind it: that cannot be told from an interrupted write. If
//!   the high-water file, the store or a snapshot reaches beyond what is left, the
//!   opening is refused. If not, the entry is cut and reported as torn, though it may
//!   have been confirmed: **this is the one window**, and `Upkeep::write_high_water`
//!   bounds it to the last entry, and that only while it is younger than the latest
//!   high-water mark, about a second. Whole entries that are replaced by zeros right to
//!   the end of the file go unnoticed in the same window, and in no other.
//! - In the high-water file itself: it is ignored and a note says so.
//!
//! Space: a segment is zeroed before it is used, and the next one is prepared while the
//! active one fills, so a full disk ends the journal only after both. That holds for
//! file systems that overwrite in place, not for those that copy on write.
//!
//! Reading order: `format` (the bytes), `write/`, `read/`, `open/` (starting), `upkeep` (from a thread of its own),
//! `mend/` (for the operator and for fuzzing).

mod error;
mod format;

mod mend;
mod open;
mod read;
mod upkeep;
mod write;

#[cfg(test)]
pub(crate) mod tests;

use std::{fmt, io, path::PathBuf, sync::Arc};

use bytes::Bytes;

use self::{
    format::{FILE_HEADER_BYTES, FileHeader, MAX_PAYLOAD_BYTES},
    read::catalog::Catalog,
    write::{active::Active, reserve::Reserve},
};
use crate::{machine::disk::FileError, program::failure::chain};

pub use self::mend::inspect::{Inspected, inspect};
pub use self::mend::live::Live;
#[doc(hidden)]
pub use self::mend::reseal::reseal;
pub use self::mend::salvage::Salvage;
pub use self::open::floor::Floor;
pub use self::open::high_water::Position;
pub use self::read::catalog::SegmentFacts;
pub use self::read::reader::Reader;
pub use error::{After, Flaw, OpenError, ReadError, Witness};
pub use upkeep::Upkeep;

/// An entry buffer larger than this is not kept for the next entry.
const KEPT_BUFFER_BYTES: usize = 1024 * 1024;

/// The layout of a journal's files. It may differ from one opening to the next.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The length of a segment file; a larger entry gets a longer one to itself.
    pub segment_bytes: u64,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            segment_bytes: crate::program::limits::SEGMENT_BYTES,
        }
    }
}

/// A journal that is ready to be appended to, and the entry that had to be cut from it.
pub struct Opened {
    pub journal: Journal,
    pub torn: Option<TornTail>,
    /// Sentences for the log about witnesses that are missing: nothing is lost, but a loss might go unnoticed.
    pub notes: Vec<String>,
}

/// An entry whose write was interrupted, so that nobody was told of its events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TornTail {
    pub file: PathBuf,
    pub offset: u64,
    pub first_seq: u64,
    /// `None` when not even the entry's header is readable.
    pub last_seq: Option<u64>,
}

impl fmt::Display for TornTail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "cut an unfinished entry at offset {} of {}: seq {}",
            self.offset,
            self.file.display(),
            self.first_seq
        )?;
        match self.last_seq {
            Some(last_seq) => write!(f, " to {last_seq}"),
            None => write!(f, " and an unknown number after it"),
        }
    }
}

/// The writing end of a journal; there is one. It blocks on the disk, so it belongs on a thread of its own.
pub struct Journal {
    dir: PathBuf,
    options: Options,
    catalog: Arc<Catalog>,
    reserve: Arc<Reserve>,
    upkeep: Upkeep,
    active: Active,
    /// Whether the next segment was asked for since the active one began.
    asked_for_spare: bool,
    /// The end of the last entry.
    last: Position,
    buffer: Vec<u8>,
    failed: bool,
}

impl Journal {
    /// The seq of the last event; 0 when there is none.
    pub fn last_seq(&self) -> u64 {
        self.last.seq
    }

    /// A handle for reading events, later ones included.
    pub fn reader(&self) -> Reader {
        Reader::new(Arc::clone(&self.catalog))
    }

    /// A handle for everything else, for other threads. It ends with the journal.
    pub fn upkeep(&self) -> Upkeep {
        self.upkeep.clone()
    }

    /// Appends events as one entry of coordinator epoch `epoch` and returns the seq
    /// of the last, when all are on disk. Without events nothing is written.
    ///
    /// # Errors
    /// When a write or sync fails, or the events are together larger than any entry
    /// may be. Then it is unknown whether the entry is on disk, and every later call
    /// is refused: end the process and open the journal again.
    pub fn append(&mut self, epoch: u64, events: &[Bytes]) -> io::Result<u64> {
        if self.failed {
            return Err(io::Error::other(
                "cannot append to the journal: an earlier write to it failed",
            ));
        }
        if events.is_empty() {
            return Ok(self.last.seq);
        }
        // True until the entry is on disk, also when something panics.
        self.failed = true;
        self.write_entry(epoch, events)?;
        self.failed = false;
        Ok(self.last.seq)
    }

    fn write_entry(&mut self, epoch: u64, events: &[Bytes]) -> io::Result<()> {
        let payload_bytes = format::payload_bytes(events);
        if payload_bytes > MAX_PAYLOAD_BYTES {
            let refusal = format!(
                "cannot append {payload_bytes} bytes to the journal at once: at most {MAX_PAYLOAD_BYTES}"
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, refusal));
        }
        self.make_room(format::entry_bytes(payload_bytes))?;

        let first_seq = self.last.seq + 1;
        let chain = format::encode_entry(
            &mut self.buffer,
            self.active.salt,
            epoch,
            first_seq,
            self.last.chain,
            events,
        );
        let offset = self.active.write(&self.buffer)?;
        let seq = self.last.seq + events.len() as u64;
        self.last = Position { seq, chain };
        self.catalog.record(first_seq, self.last, offset);
        self.reserve.set_active(self.active.length(), self.active.end);

        if self.buffer.capacity() > KEPT_BUFFER_BYTES {
            self.buffer = Vec::new();
        }
        self.ask_for_spare();
        Ok(())
    }

    /// Asks for the next segment once per segment; `Upkeep::replenish` tries again after a failure.
    fn ask_for_spare(&mut self) {
        if self.asked_for_spare || !self.reserve.is_spare_due() {
            return;
        }
        self.asked_for_spare = true;
        if let Err(error) = self.reserve.prepare_if_due() {
            tracing::warn!(error = chain(&error), "cannot prepare the next journal segment");
        }
    }

    fn make_room(&mut self, entry_bytes: u64) -> Result<(), FileError> {
        if self.active.has_room_for(entry_bytes) {
            return Ok(());
        }
        let needed = FILE_HEADER_BYTES as u64 + entry_bytes;
        if self.active.is_empty() {
            // A new segment would have the same first seq, and so the same name.
            self.active.grow(needed)?;
            self.catalog.resize_newest(self.active.length());
            return Ok(());
        }
        let length = needed.max(self.options.segment_bytes);
        let header = FileHeader::new(self.last.seq + 1, self.last.chain, length);
        // The spare has the usual length. An entry too large for it gets a segment of its own, and leaves the spare.
        let spare = if length == self.options.segment_bytes {
            self.reserve.take()
        } else {
            None
        };
        self.active = match spare {
            Some((path, file)) => Active::install(&self.dir, &path, file, &header, length)?,
            None => Active::create(&self.dir, &header, length)?,
        };
        self.asked_for_spare = false;
        self.catalog.begin_segment(&header, length);
        self.reserve.begin_segment(length, self.active.end);
        Ok(())
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.upkeep.close();
    }
}
