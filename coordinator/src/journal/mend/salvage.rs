//! Salvage: the parts of a damaged journal that can be kept, and the repair that keeps them.
//!
//! The entries before the damage can be kept. Where a snapshot or the store knows the state behind the damage, the
//! entries behind that state can be kept instead, which is better: whole segments stay as they are, and if the damage
//! is in the newest segment, its entries behind that state are written anew. Intact entries behind damage that nothing
//! bridges are of no use: they follow on a state that nobody knows. Segments that are not kept are moved into a
//! directory beside the journal, never deleted. A repair that is killed is begun again: until it is done, the journal
//! is refused as before, or it is as the repair would have left it.

use std::{
    fs::{self, File, OpenOptions},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use super::behind::{self, Behind};
use crate::{
    journal::{
        Options,
        error::OpenError,
        format::{self, FILE_HEADER_BYTES, FileHeader},
        open::{
            begin_at,
            floor::{Floor, Known},
            high_water::{self, HighWater},
            scan::{Newest, scan_segments, scan_to_damage},
        },
        write::segment,
    },
    machine::disk::{self, FileError},
};

/// The plan of a repair, and what it keeps and loses.
#[derive(Debug)]
pub struct Salvage {
    dir: PathBuf,
    /// The base: the last seq that a snapshot or the store knows, and the chain after it.
    base: (u64, Option<u64>),
    /// Segments that are moved aside, in this order.
    goes: Vec<PathBuf>,
    plan: Plan,
    high_water: u64,
    /// Entries that are intact behind the damage and cannot be kept.
    unbridged: Option<Behind>,
}

#[derive(Debug)]
enum Plan {
    /// Keep the segments from `oldest` on as they are.
    Keep { oldest: u64, last: u64 },
    /// Keep the segments up to `newest`, which is cut behind its last intact entry.
    Cut { newest: Newest, last: u64 },
    /// Keep the entries of the newest segment that follow on the base.
    Bridge { behind: Behind },
    /// Keep no entry: the journal goes on right behind the base.
    Begin,
}

impl Salvage {
    /// Plans the repair of the journal in `dir` and changes nothing. Everything up to seq `base` is known without it,
    /// and `chain` is the hash there, if it is known. A journal that `is_foreign` is of another history than the base,
    /// and nothing of it is kept.
    ///
    /// # Errors
    /// When the file system refuses, or a newer coordinator wrote it.
    pub fn of(dir: &Path, base: u64, chain: Option<u64>, is_foreign: bool) -> Result<Salvage, OpenError> {
        let high_water = match high_water::read(dir)? {
            HighWater::At(position) => position.seq,
            HighWater::Missing | HighWater::Unreadable(_) => 0,
        };
        let (seqs, mut strays) = segment::list_with_strays(dir)?;
        let known = Known {
            floor: Floor {
                snapshot_seq: base,
                ..Floor::default()
            },
            high_water: None,
        };
        let (plan, goes) = if is_foreign {
            (Plan::Begin, seqs)
        } else {
            plan(dir, &seqs, &known, chain)?
        };
        let unbridged = match &plan {
            Plan::Cut { newest, last } => behind::find(&newest.file, newest.end, last + 1)?,
            Plan::Keep { .. } | Plan::Bridge { .. } | Plan::Begin => None,
        };
        strays.extend(goes.into_iter().map(|seq| segment::path(dir, seq)));
        Ok(Salvage {
            dir: dir.to_owned(),
            base: (base, chain),
            goes: strays,
            plan,
            high_water,
            unbridged,
        })
    }

    /// The last event that is kept, in the journal or by the base.
    pub fn last_seq(&self) -> u64 {
        match &self.plan {
            Plan::Keep { last, .. } | Plan::Cut { last, .. } => *last,
            Plan::Bridge { behind } => behind.last_seq,
            Plan::Begin => self.base.0,
        }
    }

    /// The first event that can still be read, or could be if it existed.
    pub fn oldest_seq(&self) -> Option<u64> {
        match &self.plan {
            Plan::Keep { oldest, .. } => Some(*oldest),
            Plan::Cut { .. } => None,
            Plan::Bridge { .. } | Plan::Begin => Some(self.base.0 + 1),
        }
    }

    /// The file that is cut, and the offset of the cut.
    pub fn cut_at(&self) -> Option<(&Path, u64)> {
        match &self.plan {
            Plan::Cut { newest, .. } => Some((&newest.file, newest.end)),
            Plan::Keep { .. } | Plan::Bridge { .. } | Plan::Begin => None,
        }
    }

    /// The entries that are intact behind the damage and cannot be kept: their first and last seq, and their offset in
    /// the file that is cut.
    pub fn unbridged(&self) -> Option<(u64, u64, u64)> {
        let behind = self.unbridged.as_ref()?;
        Some((behind.first_seq, behind.last_seq, behind.offset))
    }

    /// The last event that the high-water file proves to have been on disk; 0 without a valid file.
    pub fn high_water(&self) -> u64 {
        self.high_water
    }

    /// Carries the plan out, and moves the segments that are not kept into `aside`.
    ///
    /// # Errors
    /// When the file system refuses. Then the repair can be tried again.
    pub fn carry_out(&self, aside: &Path) -> Result<(), OpenError> {
        fs::create_dir_all(aside).map_err(FileError::new("create the directory", aside))?;
        if let Plan::Bridge { behind } = &self.plan {
            // First of all: once the new segment has its name, a repair that begins again finds it and keeps it.
            write_anew(&self.dir, behind)?;
        }
        for file in &self.goes {
            let name = file.file_name().unwrap_or_default();
            let target = aside.join(name);
            fs::rename(file, &target).map_err(FileError::new("move aside the journal segment", file))?;
            disk::sync_directory(&self.dir)?;
        }
        disk::sync_directory(aside)?;
        match &self.plan {
            Plan::Keep { .. } | Plan::Bridge { .. } => {}
            Plan::Cut { newest, .. } => cut(newest, aside)?,
            Plan::Begin => begin_at(&self.dir, &Options::default(), self.base.0 + 1, self.base.1)?,
        }
        // The file may be a witness of events that are lost.
        let mark = high_water::path(&self.dir);
        if mark.exists() {
            fs::remove_file(&mark).map_err(FileError::new("remove the high-water file", &mark))?;
        }
        Ok(disk::sync_directory(&self.dir)?)
    }
}

/// The plan that keeps most, and the first seqs of the segments that go.
fn plan(dir: &Path, seqs: &[u64], known: &Known, chain: Option<u64>) -> Result<(Plan, Vec<u64>), OpenError> {
    let base = known.floor.snapshot_seq;
    let mut skipped = 0;
    while skipped < seqs.len() {
        match scan_segments(dir, &seqs[skipped..], known) {
            Ok(scan) if scan.last_seq >= base => {
                let plan = Plan::Keep {
                    oldest: seqs[skipped],
                    last: scan.last_seq,
                };
                // Oldest first, so that what is left never has a gap.
                return Ok((plan, seqs[..skipped].to_vec()));
            }
            Ok(_) => break,
            Err(error) => {
                let Some(file) = error.damaged_file() else {
                    return Err(error);
                };
                let at = seqs.iter().position(|&seq| segment::path(dir, seq) == file);
                // The segment may be intact, and only not follow on the one before.
                skipped = at.filter(|&at| at > skipped).unwrap_or(skipped + 1);
            }
        }
    }
    let scan = scan_to_damage(dir, seqs, known)?;
    match scan.newest {
        Some(newest) if scan.last_seq >= base => {
            // Newest first, likewise.
            let goes = seqs.iter().rev().copied();
            let goes = goes.take_while(|&seq| seq > newest.header.first_seq).collect();
            let last = scan.last_seq;
            Ok((Plan::Cut { newest, last }, goes))
        }
        _ => {
            let plan = bridged(dir, seqs, base, chain)?.map_or(Plan::Begin, |behind| Plan::Bridge { behind });
            Ok((plan, seqs.to_vec()))
        }
    }
}

/// The entries of the newest segment that follow on the base: their seqs do, and so does the chain, where it is known.
fn bridged(dir: &Path, seqs: &[u64], base: u64, chain: Option<u64>) -> Result<Option<Behind>, OpenError> {
    let Some(newest) = seqs.last().filter(|&&first_seq| first_seq <= base) else {
        return Ok(None);
    };
    let found = behind::find(&segment::path(dir, *newest), 0, base + 1)?;
    let follows = |behind: &Behind| match chain {
        Some(chain) => behind.first_seq == base + 1 && behind.chain == chain,
        None => behind.first_seq <= base + 1,
    };
    Ok(found
        .filter(follows)
        .map(|behind| behind.beginning_with(base + 1)))
}

/// Writes a segment with these events, whole or not at all.
fn write_anew(dir: &Path, behind: &Behind) -> Result<(), FileError> {
    let salt = behind.chain;
    let (mut bytes, mut entry) = (Vec::new(), Vec::new());
    let (mut first_seq, mut chain) = (behind.first_seq, behind.chain);
    for (epoch, events) in &behind.entries {
        chain = format::encode_entry(&mut entry, salt, *epoch, first_seq, chain, events);
        bytes.extend_from_slice(&entry);
        first_seq += events.len() as u64;
    }
    let needed = (FILE_HEADER_BYTES + bytes.len()) as u64;
    let length = needed.max(Options::default().segment_bytes);
    let temporary = segment::temporary_path(dir, "new");
    segment::remove_leftover(&temporary)?;
    let file = segment::create_blank(&temporary, length)?;
    file.write_all_at(&bytes, FILE_HEADER_BYTES as u64)
        .and_then(|()| file.sync_data())
        .map_err(FileError::new("write to the journal segment", &temporary))?;
    let header = FileHeader::new(behind.first_seq, behind.chain, length);
    segment::install(dir, &temporary, &file, &header)
}

/// Zeroes a segment behind its intact entries, and gives it the length that it was made with.
fn cut(newest: &Newest, aside: &Path) -> Result<(), FileError> {
    let path = &newest.file;
    let copy = aside.join(path.file_name().unwrap_or_default());
    fs::copy(path, &copy)
        .and_then(|_| File::open(&copy)?.sync_all())
        .map_err(FileError::new("keep a copy of the journal segment as", &copy))?;
    disk::sync_directory(aside)?;
    let file = OpenOptions::new()
        .write(true)
        .open(path)
        .map_err(FileError::new("open the journal segment", path))?;
    let cut = file.metadata().and_then(|facts| {
        let end = facts.len().max(u64::from(newest.header.file_bytes));
        segment::fill_with_zeros(&file, newest.end, end)?;
        file.sync_all()
    });
    cut.map_err(FileError::new("cut the journal segment", path))
}
