//! Slowed agents: those whose machines fail what they are given.

use crate::time::Timestamp;

/// Failures in a row that were a machine's own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slow {
    /// How many.
    pub(crate) failures: u32,
    /// The agent is given nothing until then.
    pub(crate) until: Timestamp,
}
