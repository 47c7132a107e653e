//! Wire messages ⇄ engine types, one file for each noun. Wire types stop here.
//!
//! What comes in is checked, all faults at once; what goes out has no lease token
//! but an [`assignment`]'s, and no environment value but there.

pub(crate) mod field;
pub(crate) mod text;
pub(crate) mod time;

mod command;
pub(crate) mod spec;

pub(crate) mod attempt;
pub(crate) mod job;
pub(crate) mod state;
pub(crate) mod task;

pub(crate) mod agent;
pub(crate) mod assignment;
pub(crate) mod hold;
pub(crate) mod lease;
pub(crate) mod report;

#[cfg(test)]
pub(crate) mod sample;
