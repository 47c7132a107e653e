//! Slowed agents: their machines fail whatever they are given.

use crate::time::Timestamp;

/// The pause of an agent after failures of its machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slow {
    /// Failures in a row.
    pub(crate) failures: u32,
    /// The end of the pause: until then the agent is given nothing.
    pub(crate) until: Timestamp,
    /// Each of them was a command that could not be started. Other machines can tell that it was no fault of this one.
    pub(crate) is_for_starts: bool,
}
