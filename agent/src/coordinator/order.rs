//! Orders to running attempts, from the mildest to the strongest.

/// Why an attempt is given back before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Why {
    /// This agent ends.
    Leaving,
    /// Somebody stopped all agents, or drained this one and the drain's deadline has passed.
    Hold,
    /// The coordinator has been silent, and the attempt must not overlap with another one of its group.
    Silence,
}

/// An instruction to an attempt. A later order counts only when it is stronger.
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
    /// Another agent has the task: kill, report nothing, keep the result and the directories.
    Lost,
}
