//! How much disk the directory of an attempt takes.

use std::{ffi::CString, fs::File, io, os::unix::ffi::OsStrExt as _, path::Path};

use rustix::{
    fd::AsFd as _,
    fs::{Dir, FileType, Stat, fstat},
    io::Errno,
};

use crate::disk::removal::{open_below, stat_below};

/// Levels and entries that are counted. What a task hides below them counts as free space alone.
const MAX_LEVELS: usize = 32;
const MAX_ENTRIES: u64 = 1_000_000;
/// The unit of `st_blocks` on every system.
const BLOCK_BYTES: u64 = 512;

/// Files that are counted before a directory is removed: more are told as so many.
const MAX_COUNTED: u64 = 10_000;

/// The files of a directory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Files {
    /// How many there are, at most [`MAX_COUNTED`].
    pub(crate) count: u64,
    /// Their bytes.
    pub(crate) bytes: u64,
}

/// The bytes that a directory takes on its disk, with everything in it that is not mounted there.
pub(super) fn of(root: &Path) -> io::Result<u64> {
    let mut bytes = 0_u64;
    each(root, MAX_ENTRIES, |_, found| {
        bytes = bytes.saturating_add(taken(found))
    })?;
    Ok(bytes)
}

/// The files in a directory and below it, links among them.
pub(super) fn files(root: &Path) -> io::Result<Files> {
    let mut files = Files::default();
    each(root, MAX_COUNTED, |kind, found| {
        if kind != FileType::Directory {
            files.count += 1;
            let bytes = found.map_or(0, |found| u64::try_from(found.st_size).unwrap_or(0));
            files.bytes = files.bytes.saturating_add(bytes);
        }
    })?;
    Ok(files)
}

/// Looks at each entry of a directory and below it that is not mounted there, up to a number of entries.
fn each(root: &Path, most: u64, mut look: impl FnMut(FileType, Result<Stat, Errno>)) -> io::Result<()> {
    let (Some(parent), Some(name)) = (root.parent(), root.file_name()) else {
        return Ok(());
    };
    let name = CString::new(name.as_bytes())?;
    let mut levels = vec![Dir::new(open_below(File::open(parent)?.as_fd(), &name)?)?];
    let mut entries = 0_u64;
    while let Some(level) = levels.last_mut() {
        let Some(Ok(entry)) = level.read() else {
            levels.pop();
            continue;
        };
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        entries += 1;
        if entries > most {
            break;
        }
        let directory = level.fd()?;
        if entry.file_type() == FileType::Directory {
            // What is mounted here, or gone meanwhile, takes nothing.
            let Ok(opened) = open_below(directory, name) else {
                continue;
            };
            look(FileType::Directory, fstat(&opened));
            if levels.len() < MAX_LEVELS {
                levels.push(Dir::new(opened)?);
            }
        } else {
            look(entry.file_type(), stat_below(directory, name));
        }
    }
    Ok(())
}

fn taken(found: Result<Stat, Errno>) -> u64 {
    let blocks = found.map_or(0, |found| u64::try_from(found.st_blocks).unwrap_or(0));
    blocks.saturating_mul(BLOCK_BYTES)
}
