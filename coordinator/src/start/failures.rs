//! Why a start cannot go on, each with what to type next.

use swarm_program::{exit::Exit, failure::Failure};

use crate::{
    journal, machine::disk::FileError, program::failure::chain, snapshot::SnapshotError, store, stored,
};

const MAKE_ROOM: &str =
    "make room on the disk and look at its state, then start the coordinator again; nothing is lost";
const NEWER_VERSION: &str = "start the coordinator version that wrote this directory, or a newer one";

/// A journal that cannot be opened.
pub(crate) fn of_journal(error: &journal::OpenError) -> Failure {
    let exit = match error {
        journal::OpenError::UnknownVersion { .. } => Exit::Refused,
        _ => Exit::Disk,
    };
    Failure::new(exit, chain(error)).help(error.help())
}

/// A journal that cannot be read.
pub(super) fn of_reading(error: &dyn std::error::Error) -> Failure {
    let help = "keep a copy of the data directory, then restore it from a backup";
    Failure::new(Exit::Disk, chain(error)).help(help)
}

/// An event that cannot be decoded.
pub(super) fn of_event(error: &stored::StoredError) -> Failure {
    if error.is_from_newer() {
        return Failure::new(Exit::Refused, chain(error)).help(NEWER_VERSION);
    }
    of_reading(error)
}

/// A store that cannot be opened, for a reason that a new one would have as well.
pub(crate) fn of_store(error: &store::OpenError) -> Failure {
    Failure::new(Exit::Disk, chain(error)).help("look at the disk, then start the coordinator again")
}

/// A store that cannot be written.
pub(super) fn of_writing(error: &store::StoreError) -> Failure {
    Failure::new(Exit::Disk, chain(error)).help(MAKE_ROOM)
}

/// A note beside the store that cannot be written.
pub(super) fn of_closing(error: &FileError) -> Failure {
    Failure::new(Exit::Disk, chain(error)).help(MAKE_ROOM)
}

/// A snapshot that cannot be read, for a reason that an older one would have as well.
pub(crate) fn of_snapshot(error: &SnapshotError) -> Failure {
    let (exit, help) = match error {
        SnapshotError::UnknownVersion { .. } => (Exit::Refused, NEWER_VERSION),
        _ => (Exit::Disk, MAKE_ROOM),
    };
    Failure::new(exit, chain(error)).help(help)
}
