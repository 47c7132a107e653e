//! Opens a directory in another one, but nothing that is mounted there, and nothing that a link leads to.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod other;

use std::ffi::CStr;
#[cfg(target_os = "linux")]
use std::io;

use rustix::{
    fd::{BorrowedFd, OwnedFd},
    fs::{Mode, Stat, openat},
    io::Errno,
};

use super::flags::DIRECTORY;
#[cfg(target_os = "linux")]
use linux as system;
#[cfg(all(test, target_os = "linux"))]
pub(super) use linux::find_by_mount;
#[cfg(not(target_os = "linux"))]
use other as system;

/// Opens the directory with this name, even where a task forbade it to its own user.
///
/// # Errors
///
/// `XDEV` when something is mounted there, `NOTDIR` or `LOOP` when it is no directory, `NOTSUP` when the system does
/// not say whether something is mounted there.
pub(crate) fn open_below(parent: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd, Errno> {
    match system::open(parent, name) {
        Err(Errno::ACCESS) => {
            let closed = system::find(parent, name)?;
            system::allow(&closed)?;
            openat(&closed, c".", DIRECTORY, Mode::empty())
        }
        opened => opened,
    }
}

/// What is known of the entry with this name, which is not opened. Nothing is asked of what is mounted there.
///
/// # Errors
///
/// As for [`open_below`].
pub(crate) fn stat_below(parent: BorrowedFd<'_>, name: &CStr) -> Result<Stat, Errno> {
    system::stat(parent, name)
}

/// Checks that the system tells this process what is mounted. Nothing is removed where it does not.
///
/// # Errors
///
/// When it does not.
#[cfg(target_os = "linux")]
pub(crate) fn tells_mounts() -> io::Result<()> {
    Ok(system::tell_mount(c"/")?)
}

/// Opens the file with this name, but nothing that is mounted there.
#[cfg(target_os = "linux")]
pub(crate) fn open_file_below(parent: BorrowedFd<'_>, name: &str) -> Result<OwnedFd, Errno> {
    system::open_file(parent, name)
}
