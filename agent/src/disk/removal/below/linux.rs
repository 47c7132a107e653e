//! `openat2` refuses to cross a mount. Where it is missing, the ids of the mounts are compared: a bind mount within
//! one file system has the same device on both sides.

use std::{
    ffi::CStr,
    fs::{self, Permissions},
    os::{fd::AsRawFd as _, unix::fs::PermissionsExt as _},
};

use rustix::{
    fd::{AsFd as _, BorrowedFd, OwnedFd},
    fs::{AtFlags, CWD, Mode, OFlags, ResolveFlags, Stat, StatxFlags, fstat, openat, openat2, statx},
    io::Errno,
    path::Arg,
};

use crate::disk::removal::flags::{DIRECTORY, OWN};

/// An entry that can be named, but not read: any, or a directory.
const ENTRY: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
const PATH: OFlags = ENTRY.union(OFlags::DIRECTORY);

/// Opens a directory for reading.
pub(super) fn open(parent: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd, Errno> {
    match resolve(parent, name, DIRECTORY) {
        Err(Errno::NOSYS | Errno::PERM | Errno::AGAIN) => {
            let found = find_by_mount(parent, name)?;
            openat(&found, c".", DIRECTORY, Mode::empty())
        }
        opened => opened,
    }
}

/// Finds a directory that may be forbidden to read.
pub(super) fn find(parent: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd, Errno> {
    name_entry(parent, name, PATH)
}

/// Finds a directory in itself, which needs to know its mount.
pub(super) fn tell_mount(directory: &CStr) -> Result<(), Errno> {
    let directory = openat(CWD, directory, PATH, Mode::empty())?;
    find(directory.as_fd(), c".").map(drop)
}

/// What is known of an entry.
pub(super) fn stat(parent: BorrowedFd<'_>, name: &CStr) -> Result<Stat, Errno> {
    fstat(name_entry(parent, name, ENTRY)?)
}

fn name_entry(parent: BorrowedFd<'_>, name: &CStr, flags: OFlags) -> Result<OwnedFd, Errno> {
    match resolve(parent, name, flags) {
        Err(Errno::NOSYS | Errno::PERM | Errno::AGAIN) => name_by_mount(parent, name, flags),
        found => found,
    }
}

/// Opens a file for reading, without waiting for the other end of a pipe.
pub(super) fn open_file(parent: BorrowedFd<'_>, name: &str) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    resolve(parent, name, flags)
}

fn resolve(parent: BorrowedFd<'_>, name: impl Arg, flags: OFlags) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::NO_XDEV | ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    openat2(parent, name, flags, Mode::empty(), resolve)
}

/// Finds a directory on kernels before 5.6, and in sandboxes that forbid `openat2`.
pub(in crate::disk::removal) fn find_by_mount(parent: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd, Errno> {
    name_by_mount(parent, name, PATH)
}

fn name_by_mount(parent: BorrowedFd<'_>, name: &CStr, flags: OFlags) -> Result<OwnedFd, Errno> {
    let found = openat(parent, name, flags, Mode::empty())?;
    if mount_of(found.as_fd())? != mount_of(parent)? {
        return Err(Errno::XDEV);
    }
    Ok(found)
}

/// The id of the mount that a descriptor is on.
fn mount_of(file: BorrowedFd<'_>) -> Result<u64, Errno> {
    let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
    if let Ok(found) = statx(file, c"", flags, StatxFlags::MNT_ID)
        && found.stx_mask & StatxFlags::MNT_ID.bits() != 0
    {
        return Ok(found.stx_mnt_id);
    }
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", file.as_raw_fd()));
    info.ok()
        .and_then(|info| {
            info.lines()
                .find_map(|line| line.strip_prefix("mnt_id:")?.trim().parse().ok())
        })
        .ok_or(Errno::NOTSUP)
}

/// Gives the owner all rights on a directory that was only found.
pub(super) fn allow(found: &OwnedFd) -> Result<(), Errno> {
    let mode = fstat(found)?.st_mode | OWN.bits();
    let place = format!("/proc/self/fd/{}", found.as_raw_fd());
    fs::set_permissions(place, Permissions::from_mode(mode & 0o7777))
        .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::ACCESS))
}
