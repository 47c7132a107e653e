//! What makes the coordinator a program: its settings, its log, its limits, and how it ends.

pub(crate) mod config;
pub(crate) mod failure;
pub(crate) mod limits;
