//! Errors of snapshots, as sentences that name the file and the offset.

use std::path::PathBuf;

use crate::{
    machine::disk::FileError,
    store::{self, StoreError},
};

/// Why a snapshot could not be taken, read or restored.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The file is not what was written and read back. An older snapshot serves as well, if the journal still reaches
    /// back to it.
    #[error("the snapshot is damaged at offset {offset} of {}: {fault}", .file.display())]
    Damaged {
        file: PathBuf,
        offset: u64,
        fault: &'static str,
    },
    /// Written by a newer coordinator.
    #[error(
        "cannot read the snapshot {}: it has format version {version}, which this coordinator does not know",
        .file.display()
    )]
    UnknownVersion { file: PathBuf, version: u32 },
    /// The store is at another seq than the caller said.
    #[error("cannot take a snapshot as of seq {expected}: the store is at seq {found}")]
    Moved { expected: u64, found: u64 },
    /// A snapshot is only restored into an empty store.
    #[error("cannot restore a snapshot into the store: there is something in it")]
    NotEmpty,
    /// A snapshot is only restored into a new directory.
    #[error("cannot restore a snapshot as {}: it exists", .dir.display())]
    Exists { dir: PathBuf },
    /// The coordinator stops before the snapshot is taken.
    #[error("the snapshot was given up because the coordinator stops")]
    Stopped,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    OpenStore(#[from] store::OpenError),
    /// The operating system refused an operation on a file or directory.
    #[error(transparent)]
    File(#[from] FileError),
}
