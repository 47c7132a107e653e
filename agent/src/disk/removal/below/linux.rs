//! `openat2` refuses to cross a mount. Where it is missing, the ids of the mounts are compared: a bind mount within
//! one file system has the same device on both sides.

use std::{
    ffi::CStr,
    fs::{self, Permissions},
    os::{fd::AsRawFd as _, unix::fs::PermissionsExt as _},
};

use rustix::{
    fd::{AsFd as _, BorrowedFd, OwnedFd},
    fs::{AtFlags, Mode, OFlags, ResolveFlags, StatxFlags, fstat, openat, openat2, statx},
    io::Errno,
    path::Arg,
};

use crate::disk::removal::flags::{DIRECTORY, OWN};

/// A directory that can be named, but not read.
const PATH: OFlags = OFlags::PATH
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

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
    match resolve(parent, name, PATH) {
        Err(Errno::NOSYS | Errno::PERM | Errno::AGAIN) => find_by_mount(parent, name),
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
    let found = openat(parent, name, PATH, Mode::empty())?;
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
