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
//!
//! Reading order: `format` (the bytes), `active` and `segment` (writing), `walk`
//! (reading), `scan`, `tail` and `open` (starting), `reader`.

mod active;
mod catalog;
mod error;
mod format;
mod open;
mod reader;
mod scan;
mod segment;
mod spare;
mod tail;
mod walk;

use std::{fmt, io, path::PathBuf, sync::Arc};

use bytes::Bytes;

use active::Active;
use catalog::Catalog;
use format::{FILE_HEADER_BYTES, FileHeader, MAX_PAYLOAD_BYTES};
use spare::Spare;

pub use error::{After, FileError, Flaw, OpenError, ReadError};
pub use reader::Reader;

/// Small enough that a new data directory takes little space and a segment is
/// zeroed in some ten milliseconds; large enough that a busy coordinator rolls
/// over less than once a second.
const SEGMENT_BYTES: u64 = 16 * 1024 * 1024;

/// An entry buffer larger than this is not kept for the next entry.
const KEPT_BUFFER_BYTES: usize = 1024 * 1024;

/// How a journal lays itself out. May differ from one opening to the next.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The length of a segment file; a larger entry gets a longer one to itself.
    pub segment_bytes: u64,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            segment_bytes: SEGMENT_BYTES,
        }
    }
}

/// A journal that is ready to be appended to, and what had to be cut from it.
pub struct Opened {
    pub journal: Journal,
    pub torn: Option<TornTail>,
}

/// An entry whose write was interrupted, so that nobody was told of its events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TornTail {
    pub file: PathBuf,
    pub offset: u64,
    pub first_seq: u64,
    /// None when not even the entry's header is readable.
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

/// The writing end; there is one. It blocks on the disk, so it wants a thread.
pub struct Journal {
    dir: PathBuf,
    options: Options,
    catalog: Arc<Catalog>,
    active: Active,
    spare: Option<Spare>,
    /// The hash of the last entry.
    chain: u64,
    last_seq: u64,
    buffer: Vec<u8>,
    failed: bool,
}

impl Journal {
    /// The seq of the last event; 0 when there is none.
    pub fn last_seq(&self) -> u64 {
        self.last_seq
    }

    /// A handle for reading, also what is appended later.
    pub fn reader(&self) -> Reader {
        Reader::new(Arc::clone(&self.catalog))
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
            return Ok(self.last_seq);
        }
        // True until everything has gone well, also when something panics.
        self.failed = true;
        self.write_entry(epoch, events)?;
        self.failed = false;
        Ok(self.last_seq)
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

        let first_seq = self.last_seq + 1;
        let chain = format::encode_entry(
            &mut self.buffer,
            self.active.salt,
            epoch,
            first_seq,
            self.chain,
            events,
        );
        let offset = self.active.write(&self.buffer)?;
        self.chain = chain;
        self.last_seq += events.len() as u64;
        self.catalog.record(first_seq, self.last_seq, offset);

        if self.buffer.capacity() > KEPT_BUFFER_BYTES {
            self.buffer = Vec::new();
        }
        if self.spare.is_none() && self.active.is_half_full() {
            self.spare = Spare::prepare(&self.dir, self.options.segment_bytes)
                .inspect_err(
                    |error| tracing::warn!(%error, "cannot start preparing the next journal segment"),
                )
                .ok();
        }
        Ok(())
    }

    fn make_room(&mut self, entry_bytes: u64) -> Result<(), FileError> {
        if self.active.has_room_for(entry_bytes) {
            return Ok(());
        }
        let needed = FILE_HEADER_BYTES as u64 + entry_bytes;
        if self.active.is_empty() {
            // A new segment would have the same first seq, and so the same name.
            return self.active.grow(needed);
        }
        let header = FileHeader {
            first_seq: self.last_seq + 1,
            chain: self.chain,
        };
        self.active = if needed > self.options.segment_bytes {
            Active::create(&self.dir, &header, needed)?
        } else {
            self.begin_segment(&header)?
        };
        self.catalog.begin_segment(&header);
        Ok(())
    }

    /// Begins a segment of the usual length, from the spare if that came to be.
    fn begin_segment(&mut self, header: &FileHeader) -> Result<Active, FileError> {
        let length = self.options.segment_bytes;
        match self.spare.take().map(Spare::take) {
            Some(Ok((path, file))) => Active::install(&self.dir, &path, file, header, length),
            Some(Err(error)) => {
                tracing::warn!(error = %error, "the next journal segment could not be prepared, trying again");
                Active::create(&self.dir, header, length)
            }
            None => Active::create(&self.dir, header, length),
        }
    }
}

#[cfg(test)]
mod tests;
