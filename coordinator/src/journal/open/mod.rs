//! Opens a journal: reads it through, refuses it or cuts a torn end, and makes sure that all it has read is on disk.

pub(crate) mod floor;
pub(crate) mod high_water;
pub(crate) mod scan;
pub(crate) mod tail;

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::Path,
    sync::Arc,
};

use self::{
    floor::{Floor, Known},
    high_water::{HighWater, Position},
    scan::{LastEntry, Newest, Scan},
};
use super::{
    Active, Journal, Opened, Options, TornTail,
    error::OpenError,
    format::{FILE_HEADER_BYTES, FileHeader},
    read::catalog::{Catalog, Marks},
    upkeep::Upkeep,
    write::{reserve::Reserve, segment},
};
use crate::machine::disk::{self, FileError};

impl Journal {
    /// Opens the journal in `dir`, or begins one there. `floor` says what the caller knows without the journal.
    ///
    /// The caller holds the lock on the data directory.
    ///
    /// # Errors
    /// When confirmed entries are damaged or missing, which leaves every segment as
    /// it is, or when the file system refuses.
    pub fn open(dir: &Path, options: Options, floor: Floor) -> Result<Opened, OpenError> {
        // A file has at least room for its header.
        let options = Options {
            segment_bytes: options.segment_bytes.max(FILE_HEADER_BYTES as u64),
        };
        disk::make_directory(dir, "create the journal directory")?;
        let found = high_water::read(dir)?;
        let high_water = match found {
            HighWater::At(position) => Some(position),
            HighWater::Missing | HighWater::Unreadable(_) => None,
        };
        let known = Known { floor, high_water };
        let mut scan = scan::scan(dir, &known)?;
        check_end(dir, &scan, &known)?;
        let notes = notes(dir, &scan, &found, &floor);
        segment::remove_temporaries(dir)?;
        if let Some(torn) = &scan.torn {
            cut(torn)?;
        }
        if let Some(last) = &scan.last_entry {
            write_again(last)?;
        }
        let active = match &scan.newest {
            Some(newest) => go_on_in(newest, &options)?,
            None => {
                let (active, header) = begin(dir, &options, 1, None)?;
                scan.chain = header.chain;
                scan.segments.push(Marks::new(&header, active.length()));
                active
            }
        };
        // The newest segment's name may have been only in memory.
        disk::sync_directory(dir)?;
        let last = Position {
            seq: scan.last_seq,
            chain: scan.chain,
        };
        let catalog = Arc::new(Catalog::new(dir, scan.segments, last));
        catalog.resize_newest(active.length());
        let reserve = Arc::new(Reserve::new(dir, options.segment_bytes));
        reserve.set_active(active.length(), active.end);
        let journal = Journal {
            dir: dir.to_owned(),
            options,
            upkeep: Upkeep::new(dir, Arc::clone(&catalog), Arc::clone(&reserve)),
            catalog,
            reserve,
            active,
            asked_for_spare: false,
            last,
            buffer: Vec::new(),
            failed: false,
        };
        Ok(Opened {
            journal,
            torn: scan.torn,
            notes,
        })
    }
}

/// Refuses a journal that ends before an event that was confirmed.
pub(super) fn check_end(dir: &Path, scan: &Scan, known: &Known) -> Result<(), OpenError> {
    let (confirmed, witness) = known.confirmed();
    if confirmed <= scan.last_seq {
        return Ok(());
    }
    let newest = scan.newest.as_ref();
    Err(OpenError::EndsEarly {
        file: newest.map_or(dir, |newest| &newest.file).to_owned(),
        offset: newest.map_or(0, |newest| newest.end),
        last: scan.last_seq,
        known: confirmed,
        witness,
    })
}

/// Sentences about witnesses that are missing, which do not stop the opening.
fn notes(dir: &Path, scan: &Scan, high_water: &HighWater, floor: &Floor) -> Vec<String> {
    let mut notes = Vec::new();
    let file = high_water::path(dir);
    let file = file.display();
    match high_water {
        HighWater::At(_) => {}
        // A new journal has none.
        HighWater::Missing if scan.last_seq == 0 => {}
        HighWater::Missing => notes.push(format!(
            "there is no high-water file {file}: that nothing is missing at the journal's end is not certain"
        )),
        HighWater::Unreadable(fault) => notes.push(format!(
            "ignoring the high-water file {file}, {fault}: that nothing is missing at the journal's end is not certain"
        )),
    }
    let first_seq = scan.segments.first().map_or(1, |segment| segment.first_seq);
    if first_seq > floor.snapshot_seq.saturating_add(1) {
        notes.push(format!(
            "the journal in {} begins with seq {first_seq}, and no snapshot reaches that far: \
             the store is the only copy of what was before",
            dir.display()
        ));
    }
    notes
}

/// Replaces a torn entry by zeros. A crash meanwhile leaves it torn.
fn cut(torn: &TornTail) -> Result<(), FileError> {
    let file = open_to_write(&torn.file)?;
    file.metadata()
        .and_then(|metadata| segment::fill_with_zeros(&file, torn.offset, metadata.len()))
        .and_then(|()| file.sync_data())
        .map_err(FileError::new(
            "cut the torn end of the journal segment",
            &torn.file,
        ))
}

/// Writes the last entry once more and syncs it. It may have been read from memory only, if the last run ended before
/// the sync, or because the sync failed. The entries before it were on disk before it was written.
fn write_again(last: &LastEntry) -> Result<(), FileError> {
    let file = open_to_write(&last.file)?;
    let mut bytes = vec![0; last.bytes as usize];
    // A cut file may lack the zeros that align the next entry.
    let read = file.metadata().and_then(|metadata| {
        bytes.truncate(metadata.len().saturating_sub(last.offset).min(last.bytes) as usize);
        file.read_exact_at(&mut bytes, last.offset)
    });
    read.and_then(|()| file.write_all_at(&bytes, last.offset))
        .and_then(|()| file.sync_data())
        .map_err(FileError::new(
            "write the last entry again to the journal segment",
            &last.file,
        ))
}

/// Makes the newest segment ready to be appended to.
fn go_on_in(newest: &Newest, options: &Options) -> Result<Active, FileError> {
    let file = open_to_write(&newest.file)?;
    let length = file
        .metadata()
        .map_err(FileError::new("read the journal segment", &newest.file))?
        .len();
    let mut active = Active::new(newest.file.clone(), file, &newest.header, length);
    active.end = newest.end;
    active.grow(options.segment_bytes)?;
    Ok(active)
}

/// Begins a journal with the event `first_seq`; `chain` is the hash before it. The directory may be missing.
///
/// # Errors
/// When the file system refuses.
pub(super) fn begin_at(
    dir: &Path,
    options: &Options,
    first_seq: u64,
    chain: Option<u64>,
) -> Result<(), OpenError> {
    disk::make_directory(dir, "create the journal directory")?;
    begin(dir, options, first_seq, chain).map(drop)
}

/// Creates the first segment of a new journal.
fn begin(
    dir: &Path,
    options: &Options,
    first_seq: u64,
    chain: Option<u64>,
) -> Result<(Active, FileHeader), OpenError> {
    // A random start makes two journals' chains different from their first entry on.
    let random = || {
        getrandom::u64()
            .map_err(|error| io::Error::other(error.to_string()))
            .map_err(FileError::new("draw a random number for the journal in", dir))
    };
    let chain = chain.map_or_else(random, Ok)?;
    let header = FileHeader::new(first_seq, chain, options.segment_bytes);
    Ok((Active::create(dir, &header, options.segment_bytes)?, header))
}

fn open_to_write(path: &Path) -> Result<File, FileError> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .map_err(FileError::new("open the journal segment", path))
}
