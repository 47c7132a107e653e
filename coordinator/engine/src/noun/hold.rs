//! Holds: orders by people that no work is given.

use std::{fmt, sync::Arc};

use crate::{
    id::{AgentId, QueueName},
    time::Timestamp,
};

/// Somebody's order that no work is given. Of each scope there is at most one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// What it is about.
    pub scope: Scope,
    /// What kind it is.
    pub kind: HoldKind,
    /// Who placed it, as their program said.
    pub actor: Arc<str>,
    /// Why, in their words.
    pub reason: Arc<str>,
    /// When.
    pub placed: Timestamp,
}

/// What a hold is about.
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
    /// Nothing is granted; what runs goes on.
    Pause,
    /// An agent is granted nothing more.
    Drain {
        /// When it gives back what it still runs; never when `None`.
        deadline: Option<Timestamp>,
    },
    /// Every agent ends what it runs at once and gives it back.
    Stop,
}
