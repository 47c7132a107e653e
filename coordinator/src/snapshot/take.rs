//! Takes a snapshot: it is written aside, synced and read back, and only then gets its name.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use xxhash_rust::xxh3::Xxh3Default;

use super::{
    Snapshot, SnapshotError, TEMPORARY_EXTENSION, files_with,
    format::{Footer, Origin, RecordHeader},
    list, path, read,
};
use crate::{
    machine::{
        disk::{self, FileError},
        pace::Pace,
    },
    store::{Frozen, Store},
};

/// How many snapshots are kept: the newest, and one in case the newest is damaged.
const KEPT: usize = 2;

/// Bytes that are written at once.
const WRITE_BYTES: usize = 256 * 1024;

/// Bytes after which the file is synced: a gigabyte at once would keep the journal's syncs waiting for seconds on many
/// file systems.
const SYNC_BYTES: u64 = 8 * 1024 * 1024;

/// Records between two rests; they take some milliseconds.
const RECORDS_BETWEEN_RESTS: u64 = 1_000;

/// How a snapshot is taken while the coordinator serves.
pub(crate) struct Conduct<'a> {
    /// Whether the coordinator stops: with millions of records a snapshot takes longer than a stop may.
    pub(crate) is_stopping: &'a dyn Fn() -> bool,
    /// How urgent the snapshot is, from 0 to 1, as in [`Pace::rest`].
    pub(crate) haste: &'a dyn Fn() -> f64,
}

/// A snapshot that nobody serves beside.
const ALONE: Conduct<'_> = Conduct {
    is_stopping: &|| false,
    haste: &|| 1.0,
};

impl Snapshot {
    /// Writes the whole store as it is now, at `origin.seq`, into a snapshot in `dir`. More batches may be applied
    /// meanwhile; the values that they replace take memory. The store is flushed, so that after a crash it is not
    /// behind the snapshot.
    ///
    /// When this returns, the snapshot is on disk and was read back from there, and only one older snapshot is kept. An
    /// intact snapshot of the same origin is returned as it is.
    ///
    /// # Errors
    /// When the store is not at that seq, or store or file system refuse. Then no file is left.
    pub fn take(store: &Store, dir: &Path, origin: &Origin) -> Result<Snapshot, SnapshotError> {
        Snapshot::take_beside(store, store.freeze(), dir, origin, &ALONE)
    }

    /// Takes a snapshot of a frozen store beside serving: at a pace that leaves most of the machine to requests, unless
    /// the coordinator stops meanwhile.
    ///
    /// # Errors
    /// As `take`, and when the coordinator stops.
    pub(crate) fn take_beside(
        store: &Store,
        frozen: Frozen,
        dir: &Path,
        origin: &Origin,
        conduct: &Conduct<'_>,
    ) -> Result<Snapshot, SnapshotError> {
        disk::make_directory(dir, "create the snapshot directory")?;
        remove_temporaries(dir)?;
        check_position(&frozen, origin)?;
        // Otherwise a crash might leave the store behind a journal that begins after the snapshot.
        store.flush()?;
        if let Ok(snapshot) = Snapshot::open(dir, origin.seq)
            && snapshot.origin == *origin
            && snapshot.check().is_ok()
        {
            return Ok(snapshot);
        }
        let temporary = dir.join(format!("{:020}.{TEMPORARY_EXTENSION}", origin.seq));
        let snapshot = write_checked(store, frozen, &temporary, origin, conduct).inspect_err(|_| {
            // On a full disk the file is in the way. If it cannot be removed now, the next snapshot removes it.
            let _ = fs::remove_file(&temporary);
        })?;
        let path = path(dir, origin.seq);
        disk::rename(&temporary, &path, "give its name to the snapshot")?;
        if let Err(error) = remove_older(dir) {
            tracing::warn!(
                error = crate::program::failure::chain(&error),
                "cannot remove an older snapshot"
            );
        }
        Ok(Snapshot { path, ..snapshot })
    }
}

/// Writes the file, and reads it back from the disk.
fn write_checked(
    store: &Store,
    frozen: Frozen,
    temporary: &Path,
    origin: &Origin,
    conduct: &Conduct<'_>,
) -> Result<Snapshot, SnapshotError> {
    let mut pace = Pace::start();
    // What is kept for the reader is bounded: beyond that, the store waits.
    let haste = || (conduct.haste)().max(store.frozen_pressure());
    let (file, footer) = write(frozen, temporary, origin, &mut |count| {
        go_on(count, &mut pace, conduct, haste)
    })?;
    // Otherwise the file would be read back from memory. A file system may be unable to do this.
    let _ = posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED);
    drop(file);
    let snapshot = read::open(temporary)?;
    for (count, record) in (0..).zip(snapshot.records()?) {
        record?;
        go_on(count, &mut pace, conduct, conduct.haste)?;
    }
    if (&snapshot.origin, snapshot.footer) != (origin, footer) {
        return Err(SnapshotError::Damaged {
            file: temporary.to_owned(),
            offset: 0,
            fault: "what was read back is not what was written",
        });
    }
    Ok(snapshot)
}

/// Rests once in many records, and asks whether the coordinator stops: asking takes a lock that requests want.
fn go_on(
    count: u64,
    pace: &mut Pace,
    conduct: &Conduct<'_>,
    haste: impl Fn() -> f64,
) -> Result<(), SnapshotError> {
    if !count.is_multiple_of(RECORDS_BETWEEN_RESTS) {
        return Ok(());
    }
    pace.rest(|| if (conduct.is_stopping)() { 1.0 } else { haste() });
    if (conduct.is_stopping)() {
        return Err(SnapshotError::Stopped);
    }
    Ok(())
}

fn write(
    frozen: Frozen,
    temporary: &Path,
    origin: &Origin,
    go_on: &mut dyn FnMut(u64) -> Result<(), SnapshotError>,
) -> Result<(File, Footer), SnapshotError> {
    let failed = |error| FileError::new("write the snapshot", temporary)(error);
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        // Lease tokens are in the store.
        .mode(0o600)
        .open(temporary)
        .map_err(failed)?;
    let mut output = Output::new(file);
    output.write(&origin.encode()).map_err(failed)?;
    let mut count = 0;
    for record in frozen {
        go_on(count)?;
        let (key, value) = record?;
        let header = RecordHeader::of(&key, &value).encode(output.offset);
        for part in [header.as_slice(), &key, &value] {
            output.write(part).map_err(failed)?;
        }
        output.sync_if_due().map_err(failed)?;
        count += 1;
    }
    let footer = Footer {
        count,
        hash: output.hash.digest(),
    };
    let file = output.finish(&footer).map_err(failed)?;
    Ok((file, footer))
}

struct Output {
    file: BufWriter<File>,
    offset: u64,
    synced: u64,
    hash: Xxh3Default,
}

impl Output {
    fn new(file: File) -> Output {
        Output {
            file: BufWriter::with_capacity(WRITE_BYTES, file),
            offset: 0,
            synced: 0,
            hash: Xxh3Default::new(),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.hash.update(bytes);
        self.offset += bytes.len() as u64;
        Ok(())
    }

    fn sync_if_due(&mut self) -> io::Result<()> {
        if self.offset - self.synced >= SYNC_BYTES {
            self.file.flush()?;
            self.file.get_ref().sync_data()?;
            self.synced = self.offset;
        }
        Ok(())
    }

    fn finish(mut self, footer: &Footer) -> io::Result<File> {
        self.file.write_all(&footer.encode(self.offset))?;
        let file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        Ok(file)
    }
}

fn check_position(frozen: &Frozen, origin: &Origin) -> Result<(), SnapshotError> {
    let (expected, found) = (origin.seq, frozen.seq());
    if expected == found {
        Ok(())
    } else {
        Err(SnapshotError::Moved { expected, found })
    }
}

fn remove_temporaries(dir: &Path) -> Result<(), FileError> {
    for file in files_with(dir, TEMPORARY_EXTENSION)? {
        fs::remove_file(&file).map_err(FileError::new("remove the leftover file", &file))?;
    }
    Ok(())
}

fn remove_older(dir: &Path) -> Result<(), SnapshotError> {
    for seq in list(dir)?.into_iter().skip(KEPT) {
        let path = path(dir, seq);
        fs::remove_file(&path).map_err(FileError::new("remove the older snapshot", &path))?;
    }
    Ok(disk::sync_directory(dir)?)
}
