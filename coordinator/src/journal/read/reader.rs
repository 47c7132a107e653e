//! Reads pages of events by seq, beside the writer.

use std::{io, path::Path, sync::Arc};

use bytes::Bytes;

use super::{
    catalog::{Catalog, Location},
    walk::{Stop, Walk},
};
use crate::{
    journal::{
        error::{Flaw, ReadError},
        format,
    },
    machine::disk::FileError,
};

/// A handle for reading a journal from any thread. It keeps no file open and no
/// position: each page is found through the marks in the shared catalog.
#[derive(Clone)]
pub struct Reader {
    catalog: Arc<Catalog>,
}

impl Reader {
    pub(crate) fn new(catalog: Arc<Catalog>) -> Reader {
        Reader { catalog }
    }

    /// Bytes that all segments take on disk.
    pub fn bytes(&self) -> u64 {
        self.catalog.bytes()
    }

    /// The first seq that can be read, or could be if it existed.
    pub fn oldest_seq(&self) -> u64 {
        self.catalog.oldest_seq()
    }

    /// The events from seq `from` up to and including `through`, in order; fewer
    /// when they are more than `max_bytes` together, but at least one if there is
    /// one. Nothing behind the last durable event is returned.
    ///
    /// Events of one entry share its memory, which is freed with the last of them.
    ///
    /// # Errors
    /// When `from` was trimmed, or a file is damaged or can't be read.
    pub fn read(&self, from: u64, through: u64, max_bytes: usize) -> Result<Vec<(u64, Bytes)>, ReadError> {
        let through = through.min(self.catalog.last_seq());
        let mut page = Page {
            next: from,
            through,
            events: Vec::new(),
            room: max_bytes,
            full: false,
        };
        while page.wants_more() {
            let location = self.location_of(page.next)?;
            page.fill_from(&location)
                .map_err(|error| self.explain(error, from))?;
        }
        Ok(page.events)
    }

    /// The chain after the entry that ends with `seq`; `None` when no entry ends there.
    ///
    /// # Errors
    /// As `read`.
    pub fn chain_after(&self, seq: u64) -> Result<Option<u64>, ReadError> {
        let last = self.catalog.last();
        if seq >= last.seq {
            return Ok((seq == last.seq).then_some(last.chain));
        }
        let location = self.location_of(seq)?;
        chain_after(&location, seq).map_err(|error| self.explain(error, seq))
    }

    /// The epoch of the coordinator that wrote the event with this seq.
    ///
    /// # Errors
    /// As `read`.
    pub fn epoch_of(&self, seq: u64) -> Result<u64, ReadError> {
        let location = self.location_of(seq)?;
        epoch_of(&location, seq).map_err(|error| self.explain(error, seq))
    }

    fn location_of(&self, seq: u64) -> Result<Location, ReadError> {
        self.catalog.locate(seq).ok_or_else(|| self.trimmed(seq))
    }

    /// Explains a missing file: it was trimmed meanwhile, and all files before it.
    fn explain(&self, error: ReadError, from: u64) -> ReadError {
        match error {
            ReadError::File(gone) if gone.kind() == io::ErrorKind::NotFound && from < self.oldest_seq() => {
                self.trimmed(from)
            }
            error => error,
        }
    }

    fn trimmed(&self, from: u64) -> ReadError {
        ReadError::Trimmed {
            from,
            oldest: self.oldest_seq(),
        }
    }
}

fn chain_after(location: &Location, seq: u64) -> Result<Option<u64>, ReadError> {
    let file = &location.file;
    let mut walk =
        Walk::open_at(file, location.salt, location.offset).map_err(|stop| unreadable(file, 0, stop))?;
    loop {
        let offset = walk.offset();
        let failed = |stop| unreadable(file, offset, stop);
        let header = walk.header().map_err(failed)?;
        if header.last_seq() < seq {
            walk.advance(&header);
        } else if header.last_seq() == seq {
            return walk.check_payload(&header).map(Some).map_err(failed);
        } else {
            return Ok(None);
        }
    }
}

fn epoch_of(location: &Location, seq: u64) -> Result<u64, ReadError> {
    let file = &location.file;
    let mut walk =
        Walk::open_at(file, location.salt, location.offset).map_err(|stop| unreadable(file, 0, stop))?;
    loop {
        let offset = walk.offset();
        let header = walk.header().map_err(|stop| unreadable(file, offset, stop))?;
        if header.last_seq() >= seq {
            return Ok(header.epoch);
        }
        walk.advance(&header);
    }
}

struct Page {
    next: u64,
    through: u64,
    events: Vec<(u64, Bytes)>,
    /// How many more bytes of events fit.
    room: usize,
    full: bool,
}

impl Page {
    fn wants_more(&self) -> bool {
        !self.full && self.next <= self.through
    }

    /// Takes the events of one segment.
    fn fill_from(&mut self, location: &Location) -> Result<(), ReadError> {
        let file = &location.file;
        let mut walk =
            Walk::open_at(file, location.salt, location.offset).map_err(|stop| unreadable(file, 0, stop))?;
        while self.wants_more() && self.next <= location.last_seq {
            let offset = walk.offset();
            self.take_entry(&mut walk)
                .map_err(|stop| unreadable(file, offset, stop))?;
        }
        Ok(())
    }

    fn take_entry(&mut self, walk: &mut Walk) -> Result<(), Stop> {
        let header = walk.header()?;
        if header.first_seq > self.next {
            return Err(Flaw::Seq.into());
        }
        if header.last_seq() >= self.next {
            let events = format::split_events(&walk.payload(&header)?, header.count)?;
            let before = (self.next - header.first_seq) as usize;
            for event in events.into_iter().skip(before) {
                self.push(event);
            }
        }
        walk.advance(&header);
        Ok(())
    }

    fn push(&mut self, event: Bytes) {
        self.full |= event.len() > self.room && !self.events.is_empty();
        if self.wants_more() {
            self.room = self.room.saturating_sub(event.len());
            self.events.push((self.next, event));
            self.next += 1;
        }
    }
}

fn unreadable(file: &Path, offset: u64, stop: Stop) -> ReadError {
    match stop {
        Stop::File(error) => FileError::new("read the journal segment", file)(error).into(),
        Stop::Flaw(flaw) => ReadError::Damaged {
            file: file.to_owned(),
            offset,
            flaw,
        },
    }
}
