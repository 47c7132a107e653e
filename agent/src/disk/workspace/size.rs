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

/// The bytes that a directory takes on its disk, with everything in it that is not mounted there.
pub(super) fn of(root: &Path) -> io::Result<u64> {
    let (Some(parent), Some(name)) = (root.parent(), root.file_name()) else {
        return Ok(0);
    };
    let name = CString::new(name.as_bytes())?;
    let mut levels = vec![Dir::new(open_below(File::open(parent)?.as_fd(), &name)?)?];
    let (mut bytes, mut entries) = (0u64, 0u64);
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
        if entries > MAX_ENTRIES {
            break;
        }
        let directory = level.fd()?;
        if entry.file_type() == FileType::Directory {
            // What is mounted here, or gone meanwhile, takes nothing.
            let Ok(opened) = open_below(directory, name) else {
                continue;
            };
            bytes = bytes.saturating_add(taken(fstat(&opened)));
            if levels.len() < MAX_LEVELS {
                levels.push(Dir::new(opened)?);
            }
        } else {
            bytes = bytes.saturating_add(taken(stat_below(directory, name)));
        }
    }
    Ok(bytes)
}

fn taken(found: Result<Stat, Errno>) -> u64 {
    let blocks = found.map_or(0, |found| u64::try_from(found.st_blocks).unwrap_or(0));
    blocks.saturating_mul(BLOCK_BYTES)
}
