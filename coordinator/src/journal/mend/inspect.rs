//! Inspects a journal without changing it, to verify it or a copy of it.

use std::{path::Path, sync::Arc};

use crate::journal::{
    TornTail,
    error::OpenError,
    open::{
        check_end,
        floor::{Floor, Known},
        high_water::{self, HighWater, Position},
        scan,
    },
    read::{catalog::Catalog, reader::Reader},
};

/// A journal that would open, read from its beginning to its end.
pub struct Inspected {
    /// Reads the journal, as long as nobody changes it.
    pub reader: Reader,
    /// The end of the last entry.
    pub last: Position,
    /// How many segments there are.
    pub segments: usize,
    /// The entry that an opening would cut.
    pub torn: Option<TornTail>,
    /// The position in the high-water file; `None` without a valid file.
    pub high_water: Option<Position>,
}

/// Reads the journal in `dir` as an opening would. `floor` says what the caller knows without the journal.
///
/// # Errors
/// As `Journal::open`.
pub fn inspect(dir: &Path, floor: Floor) -> Result<Inspected, OpenError> {
    let high_water = match high_water::read(dir)? {
        HighWater::At(position) => Some(position),
        HighWater::Missing | HighWater::Unreadable(_) => None,
    };
    let known = Known { floor, high_water };
    let scan = scan::scan(dir, &known)?;
    check_end(dir, &scan, &known)?;
    let last = Position {
        seq: scan.last_seq,
        chain: scan.chain,
    };
    let segments = scan.segments.len();
    Ok(Inspected {
        reader: Reader::new(Arc::new(Catalog::new(dir, scan.segments, last))),
        last,
        segments,
        torn: scan.torn,
        high_water,
    })
}
