//! A snapshot: everything that the store holds as of one seq, in one file, so that the
//! journal before it need not be kept and the journal and the snapshot together always
//! rebuild the store.
//!
//! What must stay true:
//! - A file has its name only when it is on disk and was read back from there whole.
//!   What a crash leaves of one in the making is removed when the next is taken.
//! - The newest two are kept, and older ones go only when a newer one has its name. The
//!   second costs its space and buys this: while the journal reaches back to it, one
//!   damaged file loses nothing. Trimming may go up to the newest; then the older one is
//!   of no use any more, and the next snapshot removes it.
//! - A store that is restored is built aside and gets its name when it is complete and on
//!   disk. So no store ever has some of the records only.
//!
//! Reading order: `format` (the bytes), `take`, `read`, `restore`.

mod error;
mod format;
mod read;
mod restore;
mod take;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

pub use error::SnapshotError;
pub use format::Origin;
pub use read::Records;
pub(crate) use take::Conduct;

use format::Footer;

use crate::{machine::disk::FileError, program::failure::chain};

const EXTENSION: &str = "snapshot";
/// Files that are not snapshots until they are renamed.
const TEMPORARY_EXTENSION: &str = "tmp";

/// A snapshot file whose header and footer are intact. The records between are checked when they are read.
#[derive(Clone, Debug)]
pub struct Snapshot {
    path: PathBuf,
    origin: Origin,
    footer: Footer,
    bytes: u64,
}

impl Snapshot {
    /// The newest snapshot in `dir`; `None` without snapshots, or without a directory.
    ///
    /// # Errors
    /// When its header or footer is damaged: then `list` and `open` find an older one. Only `check` and the reading of
    /// all records find damage in the middle.
    pub fn newest(dir: &Path) -> Result<Option<Snapshot>, SnapshotError> {
        match list(dir)?.first() {
            Some(&seq) => Snapshot::open(dir, seq).map(Some),
            None => Ok(None),
        }
    }

    /// The snapshot in `dir` as of `seq`.
    ///
    /// # Errors
    /// As `newest`.
    pub fn open(dir: &Path, seq: u64) -> Result<Snapshot, SnapshotError> {
        let path = path(dir, seq);
        let snapshot = read::open(&path)?;
        if snapshot.origin.seq != seq {
            let fault = "it does not have the name of its seq";
            return Err(SnapshotError::Damaged {
                file: path,
                offset: 0,
                fault,
            });
        }
        Ok(snapshot)
    }

    /// The seq and the history that it is of.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// How many records it has.
    pub fn count(&self) -> u64 {
        self.footer.count
    }

    /// Bytes that it takes on disk.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads all of it and compares every checksum.
    ///
    /// # Errors
    /// When it is damaged, naming file and offset.
    pub fn check(&self) -> Result<(), SnapshotError> {
        self.records()?.try_for_each(|record| record.map(drop))
    }
}

/// The seqs of all snapshots in `dir`, the newest first; none when there is no directory.
///
/// # Errors
/// When the directory can't be read, or a snapshot's name is no seq.
pub fn list(dir: &Path) -> Result<Vec<u64>, SnapshotError> {
    let mut seqs = Vec::new();
    for file in files_with(dir, EXTENSION)? {
        let stem = file.file_stem().and_then(|stem| stem.to_str());
        match stem.and_then(|stem| stem.parse::<u64>().ok()) {
            Some(seq) if path(dir, seq) == file => seqs.push(seq),
            _ => {
                let fault = "its name is no seq";
                return Err(SnapshotError::Damaged {
                    file,
                    offset: 0,
                    fault,
                });
            }
        }
    }
    seqs.sort_unstable_by(|one, other| other.cmp(one));
    Ok(seqs)
}

/// The snapshots in `dir` whose header and footer are intact, the newest first. The log names the others.
///
/// # Errors
/// When one is from a newer coordinator, or the file system refuses.
pub fn usable(dir: &Path) -> Result<Vec<Snapshot>, SnapshotError> {
    let mut usable = Vec::new();
    for seq in list(dir)? {
        match Snapshot::open(dir, seq) {
            Ok(snapshot) => usable.push(snapshot),
            Err(error @ SnapshotError::Damaged { .. }) => {
                tracing::warn!(error = chain(&error), "cannot use a snapshot")
            }
            Err(error) => return Err(error),
        }
    }
    Ok(usable)
}

/// Twenty digits hold every u64, so the names sort like the numbers.
fn path(dir: &Path, seq: u64) -> PathBuf {
    dir.join(format!("{seq:020}.{EXTENSION}"))
}

fn files_with(dir: &Path, extension: &str) -> Result<Vec<PathBuf>, FileError> {
    let failed = || FileError::new("read the snapshot directory", dir);
    let items = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        items => items.map_err(failed())?,
    };
    let mut files = Vec::new();
    for item in items {
        let path = item.map_err(failed())?.path();
        if path.extension().is_some_and(|found| found == extension) {
            files.push(path);
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests;
