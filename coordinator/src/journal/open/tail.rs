//! The bytes behind the last intact entry of a segment.

use crate::journal::{
    error::{After, Flaw},
    format::{ALIGNMENT, MIN_EVENT_BYTES},
    read::walk::{Stop, Walk},
};

/// Whether there are only zeros from here to the end of the file.
pub(crate) fn is_blank(walk: &mut Walk) -> Result<bool, Stop> {
    let mut offset = walk.offset();
    loop {
        let bytes = walk.raw(offset)?;
        if bytes.is_empty() {
            return Ok(true);
        }
        if !all_zero(bytes) {
            return Ok(false);
        }
        offset += bytes.len() as u64;
    }
}

/// Looks behind the unreadable entry here, where seq `expected` is due, for the
/// header of an intact one that can come after it. The header alone is proof: it
/// was written after the entry here had been confirmed, whatever became of its
/// payload.
///
/// # Errors
/// When the file can't be read, or such a header has an unknown version.
pub(crate) fn find_entry(walk: &mut Walk, expected: u64, epoch: u64) -> Result<Option<After>, Stop> {
    let bad = walk.offset();
    let mut offset = bad + ALIGNMENT as u64;
    while let Some((possible, next)) = walk.possible_entries(offset)? {
        for at in possible {
            match walk.header_at(at) {
                Ok(header) => {
                    let skipped = header.first_seq.saturating_sub(expected);
                    let most = (at - bad) / MIN_EVENT_BYTES as u64;
                    if (1..=most).contains(&skipped) && header.epoch >= epoch {
                        return Ok(Some(After::Entry {
                            offset: at,
                            seq: header.first_seq,
                        }));
                    }
                }
                Err(Stop::Flaw(Flaw::Version(version))) => return Err(Stop::Flaw(Flaw::Version(version))),
                Err(Stop::Flaw(_)) => {}
                Err(stop @ Stop::File(_)) => return Err(stop),
            }
        }
        offset = next;
    }
    Ok(None)
}

fn all_zero(bytes: &[u8]) -> bool {
    // Whole words first: an empty segment is read through at every start.
    let (words, rest) = bytes.as_chunks::<16>();
    words.iter().all(|word| u128::from_le_bytes(*word) == 0) && rest.iter().all(|&byte| byte == 0)
}
