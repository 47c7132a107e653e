//! Walks through the entries of one segment file, and believes nothing before its checksum is right. Both opening and
//! reading use it.

use std::{fs::File, io, os::unix::fs::FileExt, path::Path};

use bytes::Bytes;
use xxhash_rust::xxh3::Xxh3Default;

use crate::journal::{
    error::Flaw,
    format::{ALIGNMENT, ENTRY_HEADER_BYTES, ENTRY_MAGIC, EntryHeader, FILE_HEADER_BYTES, FileHeader},
};

/// Bytes of a file that are read at once: few reads for a page, and little memory for an entry of any size.
const READ_BYTES: usize = 256 * 1024;

/// A position in a segment file.
pub(crate) struct Walk {
    window: Window,
    salt: u64,
    offset: u64,
}

/// The reason why a walk stops.
pub(crate) enum Stop {
    File(io::Error),
    Flaw(Flaw),
}

impl Walk {
    /// Opens a segment and stands at its first entry.
    pub(crate) fn open(file: &Path) -> Result<(Walk, FileHeader), Stop> {
        let mut window = Window::open(file)?;
        let bytes = window.bytes(0, FILE_HEADER_BYTES)?;
        let header = FileHeader::decode(bytes.try_into().expect("the window gives what was asked for"))?;
        Ok((
            Walk {
                window,
                salt: header.chain,
                offset: FILE_HEADER_BYTES as u64,
            },
            header,
        ))
    }

    /// Opens a segment whose header is known and stands at the entry at `offset`.
    pub(crate) fn open_at(file: &Path, salt: u64, offset: u64) -> Result<Walk, Stop> {
        Ok(Walk {
            window: Window::open(file)?,
            salt,
            offset,
        })
    }

    /// The length of the file.
    pub(crate) fn file_bytes(&self) -> u64 {
        self.window.file_bytes
    }

    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// The header of the entry here.
    pub(crate) fn header(&mut self) -> Result<EntryHeader, Stop> {
        self.header_at(self.offset)
    }

    pub(crate) fn header_at(&mut self, offset: u64) -> Result<EntryHeader, Stop> {
        let bytes = self.window.bytes(offset, ENTRY_HEADER_BYTES)?;
        let bytes = bytes.try_into().expect("the window gives what was asked for");
        Ok(EntryHeader::decode(bytes, self.salt)?)
    }

    /// Goes on to the entry behind the one with this header.
    pub(crate) fn advance(&mut self, header: &EntryHeader) {
        self.offset += header.entry_bytes();
    }

    /// Checks the payload here piece by piece; returns the chain after the entry.
    pub(crate) fn check_payload(&mut self, header: &EntryHeader) -> Result<u64, Stop> {
        let mut hash = Xxh3Default::new();
        hash.update(&header.encode(self.salt));
        let mut crc = 0;
        let mut offset = self.offset + ENTRY_HEADER_BYTES as u64;
        let mut rest = header.payload_bytes as usize;
        while rest > 0 {
            let piece = self.window.bytes(offset, rest.min(READ_BYTES))?;
            crc = crc32c::crc32c_append(crc, piece);
            hash.update(piece);
            offset += piece.len() as u64;
            rest -= piece.len();
        }
        if crc != header.payload_crc {
            return Err(Stop::Flaw(Flaw::PayloadChecksum));
        }
        Ok(hash.digest())
    }

    /// The payload here, checked.
    pub(crate) fn payload(&mut self, header: &EntryHeader) -> Result<Bytes, Stop> {
        let offset = self.offset + ENTRY_HEADER_BYTES as u64;
        let payload = self.window.copy(offset, header.payload_bytes as usize)?;
        if crc32c::crc32c(&payload) != header.payload_crc {
            return Err(Stop::Flaw(Flaw::PayloadChecksum));
        }
        Ok(payload.into())
    }

    /// At most `READ_BYTES` of the file as they are; empty at its end.
    pub(crate) fn raw(&mut self, offset: u64) -> Result<&[u8], Stop> {
        let rest = self.window.file_bytes.saturating_sub(offset);
        if rest == 0 {
            return Ok(&[]);
        }
        self.window.bytes(offset, rest.min(READ_BYTES as u64) as usize)
    }

    /// Where entries may begin in the next `READ_BYTES` from a multiple of `ALIGNMENT` on, and where to ask next;
    /// `None` at the end of the file.
    pub(crate) fn possible_entries(&mut self, offset: u64) -> Result<Option<(Vec<u64>, u64)>, Stop> {
        let bytes = self.raw(offset)?;
        if bytes.is_empty() {
            return Ok(None);
        }
        let words = (offset..).step_by(ALIGNMENT).zip(bytes.chunks(ALIGNMENT));
        let possible = words.filter(|(_, word)| word.starts_with(&ENTRY_MAGIC));
        let possible = possible.map(|(at, _)| at).collect();
        Ok(Some((possible, offset + bytes.len() as u64)))
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Stop {
        Stop::File(error)
    }
}

impl From<Flaw> for Stop {
    fn from(flaw: Flaw) -> Stop {
        Stop::Flaw(flaw)
    }
}

/// The part of a file that was read last.
struct Window {
    file: File,
    file_bytes: u64,
    start: u64,
    buffer: Vec<u8>,
}

impl Window {
    fn open(path: &Path) -> Result<Window, Stop> {
        let file = File::open(path)?;
        let file_bytes = file.metadata()?.len();
        Ok(Window {
            file,
            file_bytes,
            start: 0,
            buffer: Vec::new(),
        })
    }

    /// `count` bytes from `offset` on, at most `READ_BYTES`.
    fn bytes(&mut self, offset: u64, count: usize) -> Result<&[u8], Stop> {
        self.check_end(offset, count)?;
        if !self.holds(offset, count) {
            let ahead = (self.file_bytes - offset).min(READ_BYTES as u64) as usize;
            self.start = offset;
            // The window is empty while it is read into, so that a failed read leaves no stale bytes.
            let mut buffer = std::mem::take(&mut self.buffer);
            if buffer.is_empty() {
                // The system gives zeros; nobody has to write them.
                buffer = vec![0; ahead];
            }
            buffer.resize(ahead, 0);
            self.file.read_exact_at(&mut buffer, offset)?;
            self.buffer = buffer;
        }
        let at = (offset - self.start) as usize;
        Ok(&self.buffer[at..at + count])
    }

    /// So many bytes from `offset` on. The caller has bounded the number.
    fn copy(&mut self, offset: u64, count: usize) -> Result<Vec<u8>, Stop> {
        if count <= READ_BYTES {
            return Ok(self.bytes(offset, count)?.to_vec());
        }
        self.check_end(offset, count)?;
        let mut bytes = vec![0; count];
        self.file.read_exact_at(&mut bytes, offset)?;
        Ok(bytes)
    }

    fn check_end(&self, offset: u64, count: usize) -> Result<(), Stop> {
        if offset.saturating_add(count as u64) > self.file_bytes {
            return Err(Stop::Flaw(Flaw::CutShort));
        }
        Ok(())
    }

    fn holds(&self, offset: u64, count: usize) -> bool {
        offset >= self.start && offset + count as u64 <= self.start + self.buffer.len() as u64
    }
}
