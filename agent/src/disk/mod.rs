//! The agent's files: its identity, its attempts' directories, and its unconfirmed outcomes.

pub(crate) mod state_directory;

pub(crate) mod outbox;
pub(crate) mod workspace;

pub(crate) mod removal;
pub(crate) mod write;
