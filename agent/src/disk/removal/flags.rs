//! How directories and files are opened, and the rights that the owner of a directory needs.

use rustix::fs::{Mode, OFlags};

/// A directory to read, but no link to one.
pub(super) const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);
/// A file that is not there yet.
pub(super) const NEW_FILE: OFlags = OFlags::WRONLY
    .union(OFlags::CREATE)
    .union(OFlags::EXCL)
    .union(OFlags::CLOEXEC);
/// The rights that the owner of a directory needs to change its entries.
pub(super) const OWN: Mode = Mode::RWXU;
