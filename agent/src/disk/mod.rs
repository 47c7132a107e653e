//! What the agent keeps on the disk: itself, its attempts' directories, and outcomes that nobody has confirmed.

pub(crate) mod state_directory;

pub(crate) mod outbox;
pub(crate) mod workspace;

pub(crate) mod removal;
