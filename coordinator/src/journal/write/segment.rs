//! Segment files: their names, and how one is made so that a crash at any point leaves no segment or a whole one.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use crate::{
    journal::{error::OpenError, format::FileHeader},
    machine::disk::{self, FileError},
};

const EXTENSION: &str = "seg";
/// Files that are not part of the journal until they are renamed.
const TEMPORARY_EXTENSION: &str = "tmp";
/// Zeros are written in pieces of this size.
static ZEROS: [u8; 256 * 1024] = [0; 256 * 1024];

/// The file that holds the events from `first_seq` on. Twenty digits hold every
/// u64, so the names sort like the numbers.
pub(crate) fn path(dir: &Path, first_seq: u64) -> PathBuf {
    dir.join(format!("{first_seq:020}.{EXTENSION}"))
}

/// A file in the making, for the purpose `name`.
pub(crate) fn temporary_path(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!("{name}.{TEMPORARY_EXTENSION}"))
}

/// The first seqs of all segments in `dir`, in order.
///
/// # Errors
/// When the directory can't be read, or a segment's name is no seq.
pub(crate) fn list(dir: &Path) -> Result<Vec<u64>, OpenError> {
    let mut first_seqs = Vec::new();
    for file in files_with(dir, EXTENSION)? {
        match first_seq_of(dir, &file) {
            Some(first_seq) => first_seqs.push(first_seq),
            None => return Err(OpenError::Misnamed { file }),
        }
    }
    first_seqs.sort_unstable();
    Ok(first_seqs)
}

/// The first seqs of all segments in order, and apart from them the files whose names are no seqs.
///
/// # Errors
/// When the directory can't be read. A missing one has no segments.
pub(crate) fn list_with_strays(dir: &Path) -> Result<(Vec<u64>, Vec<PathBuf>), FileError> {
    let (mut first_seqs, mut strays) = (Vec::new(), Vec::new());
    if !dir.exists() {
        return Ok((first_seqs, strays));
    }
    for file in files_with(dir, EXTENSION)? {
        match first_seq_of(dir, &file) {
            Some(first_seq) => first_seqs.push(first_seq),
            None => strays.push(file),
        }
    }
    first_seqs.sort_unstable();
    Ok((first_seqs, strays))
}

/// Removes the files of segments that a crash kept from being finished.
pub(crate) fn remove_temporaries(dir: &Path) -> Result<(), FileError> {
    for file in files_with(dir, TEMPORARY_EXTENSION)? {
        fs::remove_file(&file).map_err(FileError::new("remove the leftover file", &file))?;
    }
    Ok(())
}

/// Removes the file of a segment that a crash may have kept from being finished.
pub(crate) fn remove_leftover(path: &Path) -> Result<(), FileError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(FileError::new("remove the leftover file", path)(error))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Creates a file of `bytes` zeros at `path`, all of it on disk. Later writes into it change neither its size nor its
/// blocks, and so are cheap to sync. After a failure the file is removed: half a file would keep the space that the
/// next try needs. A file that is there already is never touched, for it may be in use.
pub(crate) fn create_blank(path: &Path, bytes: u64) -> Result<File, FileError> {
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        // Lease tokens are in the journal.
        .mode(0o600)
        .open(path)
        .map_err(FileError::new("create the journal segment", path))?;
    match fill_with_zeros(&file, 0, bytes).and_then(|()| file.sync_all()) {
        Ok(()) => Ok(file),
        Err(error) => {
            let _ = fs::remove_file(path);
            Err(FileError::new("reserve space for the journal segment", path)(
                error,
            ))
        }
    }
}

/// Turns a blank file into the segment that `header` describes. The header is on
/// disk before the name is, and the name is before this returns.
pub(crate) fn install(
    dir: &Path,
    temporary: &Path,
    file: &File,
    header: &FileHeader,
) -> Result<(), FileError> {
    let path = path(dir, header.first_seq);
    file.write_all_at(&header.encode(), 0)
        .and_then(|()| file.sync_data())
        .map_err(FileError::new(
            "write the header of the journal segment",
            temporary,
        ))?;
    // A rename would silently replace a segment that somebody else has written.
    if path.exists() {
        let exists = io::Error::from(io::ErrorKind::AlreadyExists);
        return Err(FileError::new("begin the journal segment", &path)(exists));
    }
    disk::rename(temporary, &path, "begin the journal segment")
}

/// Overwrites `from..through` of a file with zeros; does not sync.
pub(crate) fn fill_with_zeros(file: &File, from: u64, through: u64) -> io::Result<()> {
    let mut offset = from;
    while offset < through {
        let piece = (through - offset).min(ZEROS.len() as u64);
        file.write_all_at(&ZEROS[..piece as usize], offset)?;
        offset += piece;
    }
    Ok(())
}

fn first_seq_of(dir: &Path, file: &Path) -> Option<u64> {
    let first_seq = file.file_stem()?.to_str()?.parse().ok()?;
    (path(dir, first_seq) == file).then_some(first_seq)
}

fn files_with(dir: &Path, extension: &str) -> Result<Vec<PathBuf>, FileError> {
    let mut files = Vec::new();
    for item in fs::read_dir(dir).map_err(FileError::new("read the journal directory", dir))? {
        let item = item.map_err(FileError::new("read the journal directory", dir))?;
        let path = item.path();
        if path.extension().is_some_and(|found| found == extension) {
            files.push(path);
        }
    }
    Ok(files)
}
