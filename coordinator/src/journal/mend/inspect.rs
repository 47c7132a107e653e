//! Looks at a journal without changing anything, to verify it or a copy of it.

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
    /// Reads it. It is not to be used once the journal is changed.
    pub reader: Reader,
    /// The end of the last entry.
    pub last: Position,
    /// How many segments there are.
    pub segments: usize,
    /// What an opening would cut.
    pub torn: Option<TornTail>,
    /// What is known to have been on disk; `None` when nothing says so.
    pub high_water: Option<Position>,
}

/// Reads the journal in `dir` as an opening would. `floor` is what the caller has beside it.
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
