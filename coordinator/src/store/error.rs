//! What can go wrong with an open store.

use std::io;

use super::key;

/// Why the store could not be read or written.
///
/// The damaged kinds are mended by setting the store aside and rebuilding it from the journal.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// What lies under a key is not what was written there.
    #[error("the value of {key} in the store is damaged: {fault}")]
    DamagedValue {
        /// The key, as `key::name` puts it.
        key: String,
        fault: &'static str,
    },
    /// sled cannot make sense of its own files.
    #[error("the store is damaged: {fault}")]
    DamagedFile { fault: String },
    /// It could not be opened again; the process is about to end.
    #[error("the store is closed")]
    Closed,
    /// The disk refused.
    #[error("cannot {doing} the store")]
    Io {
        /// The verb.
        doing: &'static str,
        source: io::Error,
    },
}

impl StoreError {
    /// Whether the store has to be rebuilt.
    pub fn is_damage(&self) -> bool {
        match self {
            StoreError::DamagedValue { .. } | StoreError::DamagedFile { .. } => true,
            StoreError::Closed | StoreError::Io { .. } => false,
        }
    }

    /// What the operating system said, when it was asked.
    pub fn kind(&self) -> io::ErrorKind {
        match self {
            StoreError::Io { source, .. } => source.kind(),
            StoreError::DamagedValue { .. } | StoreError::DamagedFile { .. } => io::ErrorKind::InvalidData,
            StoreError::Closed => io::ErrorKind::NotConnected,
        }
    }

    /// The value of a key is damaged.
    pub(super) fn value(key: &[u8], fault: &'static str) -> Self {
        StoreError::DamagedValue {
            key: key::name(key),
            fault,
        }
    }
}
