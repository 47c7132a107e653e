//! Stamps of directories, which tell whether anybody has changed anything about them.

use std::{ffi::CStr, io, mem::MaybeUninit, path::Path};

use rustix::{
    fd::{AsFd as _, OwnedFd},
    fs::{
        CWD, IFlags, Mode, OFlags, RawDir, RenameFlags, fgetxattr, flistxattr, fstat, ioctl_getflags, openat,
        renameat_with,
    },
    io::Errno,
};

use crate::disk::removal::{MARKER, open_below, open_file_below};

/// Bytes of directory entries per read. Names are short, and one unexpected entry is enough.
const ENTRIES_BYTES: usize = 1024;

const INPUTS: &CStr = c"inputs";

/// Bytes of all names of attributes, and of each value.
const ATTRIBUTES_BYTES: usize = 1024;

/// Everything that a task can change about its directories besides their entries.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    root: Features,
    marker: Features,
    inputs: Features,
}

#[derive(Debug, PartialEq, Eq)]
struct Features {
    /// Another device may have been mounted there.
    device: u64,
    owner: (u32, u32),
    mode: u32,
    /// A directory that had many entries stays large.
    size: i64,
    /// `None` on file systems without flags.
    flags: Option<IFlags>,
    /// Such as access control lists and labels of security modules.
    attributes: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Stamp {
    /// The stamp of an attempt's directories; `None` when there is anything besides the marker and empty inputs.
    pub(crate) fn at(root: &Path) -> io::Result<Option<Stamp>> {
        let root = open(root)?;
        // A task may have mounted anything here.
        let inputs = open_below(root.as_fd(), INPUTS)?;
        if !has_only(&root, &[super::INPUTS, MARKER])? || !has_only(&inputs, &[])? {
            return Ok(None);
        }
        Ok(Some(Stamp {
            root: Features::of(&root)?,
            marker: Features::of(&open_file_below(root.as_fd(), MARKER)?)?,
            inputs: Features::of(&inputs)?,
        }))
    }
}

impl Features {
    fn of(directory: &OwnedFd) -> io::Result<Features> {
        let status = fstat(directory)?;
        Ok(Features {
            device: status.st_dev,
            owner: (status.st_uid, status.st_gid),
            mode: status.st_mode,
            size: status.st_size,
            flags: ioctl_getflags(directory).ok(),
            attributes: attributes_of(directory)?,
        })
    }
}

/// The attributes of a directory. Fails when they are more than any system gives a new directory.
fn attributes_of(directory: &OwnedFd) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut names = [0; ATTRIBUTES_BYTES];
    let length = match flistxattr(directory, &mut names) {
        Err(Errno::NOTSUP) => 0,
        length => length?,
    };
    let names = names[..length]
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty());
    names
        .map(|name| {
            let mut value = [0; ATTRIBUTES_BYTES];
            let length = fgetxattr(directory, name, &mut value)?;
            Ok((name.to_vec(), value[..length].to_vec()))
        })
        .collect()
}

/// Opens a directory, but no link to one.
fn open(directory: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(CWD, directory, flags, Mode::empty())?)
}

/// Whether a directory has no other entries than these.
fn has_only(directory: &OwnedFd, names: &[&str]) -> io::Result<bool> {
    let mut buffer = [MaybeUninit::uninit(); ENTRIES_BYTES];
    let mut entries = RawDir::new(directory, &mut buffer);
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let found = entry.file_name().to_bytes();
        if found != b"." && found != b".." && !names.iter().any(|name| found == name.as_bytes()) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Renames a directory, unless the new name is taken.
pub(crate) fn move_to(from: &Path, to: &Path) -> io::Result<()> {
    Ok(renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE)?)
}
