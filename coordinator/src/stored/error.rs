//! Errors of stored events and records.

/// A stored event or record that could not be read. The source names the fault.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {what}")]
pub struct StoredError {
    what: String,
    source: Fault,
}

impl StoredError {
    /// For `map_err`: `what` completes "cannot read …".
    pub(super) fn reading(what: impl Into<String>) -> impl FnOnce(Fault) -> StoredError {
        move |source| StoredError {
            what: what.into(),
            source,
        }
    }

    /// Whether a newer coordinator wrote it, so that starting that one helps.
    pub fn is_from_newer(&self) -> bool {
        match self.source {
            Fault::UnknownFact { .. } | Fault::UnknownPhase | Fault::UnknownValue { .. } => true,
            Fault::Garbled(_) | Fault::Missing { .. } | Fault::OutOfRange { .. } => false,
        }
    }
}

/// The fault. A `field` is named in words, as in "the lease's token".
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// The bytes are no message of the expected type.
    #[error(transparent)]
    Garbled(#[from] prost::DecodeError),
    #[error("{field} is missing")]
    Missing { field: &'static str },
    #[error("{field} has a value that cannot be: {value}")]
    OutOfRange { field: &'static str, value: String },
    #[error("fact {number} is unknown: it was written by a newer coordinator")]
    UnknownFact { number: usize },
    /// Unlike a fact's, its number is lost when the message around it has been decoded.
    #[error("the task's phase is none of the known ones: it was written by a newer coordinator")]
    UnknownPhase,
    #[error("{field} has the unknown value {value}: it was written by a newer coordinator")]
    UnknownValue { field: &'static str, value: i32 },
}
