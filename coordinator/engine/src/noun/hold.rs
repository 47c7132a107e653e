//! Holds: people stop the coordinator from giving work.

use std::{fmt, sync::Arc};

use crate::{
    id::{AgentId, QueueName},
    time::Timestamp,
};

/// A hold's record: no work is given within its scope. Each scope has at most one hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// The tasks or agents that it covers.
    pub scope: Scope,
    /// Its kind.
    pub kind: HoldKind,
    /// The person who placed it, as the calling program said.
    pub actor: Arc<str>,
    /// The reason, in the words of that person.
    pub reason: Arc<str>,
    /// The time at which it was placed.
    pub placed: Timestamp,
}

/// The tasks or agents that a hold covers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// All tasks and agents.
    Everything,
    /// The tasks of a queue.
    Queue(QueueName),
    /// An agent.
    Agent(AgentId),
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scope::Everything => f.write_str("everything"),
            Scope::Queue(queue) => write!(f, "queue {queue}"),
            Scope::Agent(agent) => write!(f, "agent {agent}"),
        }
    }
}

/// Kinds of holds, the mildest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HoldKind {
    /// Nothing is granted; running attempts go on.
    Pause,
    /// An agent is granted nothing more.
    Drain {
        /// The time at which it gives back what still runs; never when `None`.
        deadline: Option<Timestamp>,
    },
    /// Every agent ends its attempts at once and gives them back.
    Stop,
}
