//! The process that registered as an agent. Two processes with one agent's id are told apart by it.

use std::sync::Arc;

use crate::{limits::COPY_TOLD, time::Timestamp};

/// Where a process of an agent runs. Programs that do not say it are told apart by nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// The name of its machine, for people.
    pub host: Arc<str>,
    /// Names the running system and the locked state directory on it. No two live processes share it: a process
    /// holds the lock of its state directory, and a system that was started again has another name.
    pub place: Arc<str>,
}

impl Process {
    /// Whether it proves by itself that the `earlier` process has ended.
    pub fn proves_the_end_of(&self, earlier: &Process) -> bool {
        self.place == earlier.place
    }
}

/// A process that was refused because another one with the same agent's id was alive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Twin {
    /// The name of its machine, for people.
    pub host: Arc<str>,
    /// When it was refused.
    pub refused: Timestamp,
}

impl Twin {
    /// Whether it was refused so lately that people are told.
    pub fn is_recent(&self, now: Timestamp) -> bool {
        now - self.refused <= COPY_TOLD
    }
}
