//! Failures of an open store.

use std::io;

use super::key;

/// Why the store could not be read or written.
///
/// Damage is mended by setting the store aside and building it anew from the journal.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The stored value of a key is not what was written.
    #[error("the value of {key} in the store is damaged: {fault}")]
    DamagedValue {
        /// The key's name in messages.
        key: String,
        fault: &'static str,
    },
    /// sled cannot make sense of its own files.
    #[error("the store is damaged: {fault}")]
    DamagedFile { fault: String },
    /// sled could not be opened again, and the process is about to end.
    #[error("the store is closed")]
    Closed,
    /// The disk refused.
    #[error("cannot {doing} the store")]
    Io {
        /// A verb, for the message.
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

    /// The kind of the operating system's error; damage and a closed store have kinds that fit.
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
