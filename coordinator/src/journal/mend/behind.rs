//! Intact entries behind damage in the same segment.
//!
//! An entry names the one before it by its hash, and its header's checksum names the file. So
//! behind damage whole entries can be found and told from everything else. They follow on a
//! state only if a snapshot or the store knows the state behind the unreadable ones.

use std::path::Path;

use bytes::Bytes;

use crate::journal::{
    error::{Flaw, OpenError},
    format::{self, ALIGNMENT, FILE_HEADER_BYTES},
    open::scan::unreadable,
    read::walk::{Stop, Walk},
};

/// Entries that follow on each other without a gap.
#[derive(Debug)]
pub(crate) struct Behind {
    /// The offset of the first entry.
    pub(crate) offset: u64,
    pub(crate) first_seq: u64,
    pub(crate) last_seq: u64,
    /// The chain before the first entry.
    pub(crate) chain: u64,
    /// The events, with the epochs of their entries.
    pub(crate) entries: Vec<(u64, Vec<Bytes>)>,
}

impl Behind {
    /// The entries without the events before seq `from`, which is in one of them.
    pub(crate) fn beginning_with(mut self, from: u64) -> Behind {
        let mut surplus = from.saturating_sub(self.first_seq) as usize;
        self.entries.retain_mut(|(_, events)| {
            let dropped = surplus.min(events.len());
            surplus -= dropped;
            events.drain(..dropped);
            !events.is_empty()
        });
        self.first_seq = from.max(self.first_seq);
        self
    }
}

/// The entries of a segment that are intact behind `offset`, from the first on whose events reach seq `least`.
///
/// # Errors
/// When the file system refuses, or a newer coordinator wrote it.
pub(crate) fn find(file: &Path, offset: u64, least: u64) -> Result<Option<Behind>, OpenError> {
    let found =
        Walk::open(file).and_then(|(mut walk, header)| look(file, &mut walk, header.chain, offset, least));
    match found {
        Ok(found) => Ok(found),
        // Without the file's header no entry can be believed.
        Err(Stop::Flaw(flaw)) if !matches!(flaw, Flaw::Version(_)) => Ok(None),
        Err(stop) => Err(unreadable(file, offset, stop)),
    }
}

fn look(file: &Path, walk: &mut Walk, salt: u64, offset: u64, least: u64) -> Result<Option<Behind>, Stop> {
    // Entries begin at multiples of the alignment, from the header on.
    let mut offset = offset
        .max(FILE_HEADER_BYTES as u64)
        .next_multiple_of(ALIGNMENT as u64);
    while let Some((possible, next)) = walk.possible_entries(offset)? {
        for at in possible {
            let found = take(&mut Walk::open_at(file, salt, at)?, least)?;
            if found.is_some() {
                return Ok(found);
            }
        }
        offset = next;
    }
    Ok(None)
}

/// The entries from here on, if the first of them is intact and reaches `least`.
fn take(walk: &mut Walk, least: u64) -> Result<Option<Behind>, Stop> {
    let mut behind: Option<Behind> = None;
    let mut chain_here = None;
    loop {
        let offset = walk.offset();
        let read = walk.header().and_then(|header| {
            let chain = walk.check_payload(&header)?;
            let events = format::split_events(&walk.payload(&header)?, header.count)?;
            Ok((header, chain, events))
        });
        let (header, chain, events) = match read {
            Ok(read) => read,
            Err(Stop::Flaw(flaw)) if !matches!(flaw, Flaw::Version(_)) => return Ok(behind),
            Err(stop) => return Err(stop),
        };
        match &mut behind {
            None if header.last_seq() < least => return Ok(None),
            None => {
                behind = Some(Behind {
                    offset,
                    first_seq: header.first_seq,
                    last_seq: header.last_seq(),
                    chain: header.chain,
                    entries: vec![(header.epoch, events)],
                });
            }
            Some(behind) => {
                if header.first_seq != behind.last_seq + 1 || Some(header.chain) != chain_here {
                    break;
                }
                behind.last_seq = header.last_seq();
                behind.entries.push((header.epoch, events));
            }
        }
        chain_here = Some(chain);
        walk.advance(&header);
    }
    Ok(behind)
}
