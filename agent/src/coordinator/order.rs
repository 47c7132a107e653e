//! Orders to attempts, and their strength.

/// Why an attempt is given back before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Why {
    /// This agent ends.
    Leaving,
    /// Somebody drains this agent, and its time is over, or stopped all agents.
    Hold,
    /// Nothing was heard from the coordinator, and the attempt must not overlap with another one.
    Silence,
}

/// What an attempt is told from outside, the mildest first; a milder one never takes back a stronger one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Order {
    /// Carry on.
    GoOn,
    /// The task was cancelled: end politely, report `cancelled`.
    Cancel,
    /// End politely, report `released`.
    Release(Why),
    /// Kill, report `released`.
    Stop(Why),
    /// The attempt is somebody else's: kill, report nothing, keep what there is.
    Lost,
}
