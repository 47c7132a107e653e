//! Systems without bind mounts, on which another device means another mount.

use std::ffi::CStr;

use rustix::{
    fd::{BorrowedFd, OwnedFd},
    fs::{AtFlags, Mode, Stat, fchmod, fstat, openat, statat},
    io::Errno,
};

use crate::disk::removal::flags::{DIRECTORY, OWN};

/// Opens a directory for reading.
pub(super) fn open(parent: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd, Errno> {
    let opened = openat(parent, name, DIRECTORY, Mode::empty())?;
    if fstat(&opened)?.st_dev != fstat(parent)?.st_dev {
        return Err(Errno::XDEV);
    }
    Ok(opened)
}

/// A directory that is forbidden to its owner cannot be found here without following links.
pub(super) fn find(_: BorrowedFd<'_>, _: &CStr) -> Result<OwnedFd, Errno> {
    Err(Errno::ACCESS)
}

/// What is known of an entry.
pub(super) fn stat(parent: BorrowedFd<'_>, name: &CStr) -> Result<Stat, Errno> {
    let found = statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
    if found.st_dev != fstat(parent)?.st_dev {
        return Err(Errno::XDEV);
    }
    Ok(found)
}

/// Gives the owner all rights on a directory.
pub(super) fn allow(found: &OwnedFd) -> Result<(), Errno> {
    fchmod(found, Mode::from_raw_mode(fstat(found)?.st_mode) | OWN)
}
