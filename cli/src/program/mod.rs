//! The lowest room: global flags, messages to a person, failed calls, and single values of a command line.

pub mod globals;
pub mod next;
pub mod terminal;

pub mod failure;

pub(crate) mod actor;
pub(crate) mod confirmation;
pub(crate) mod interrupt;
pub(crate) mod past;
pub mod value;

/// The program's name, which settings and completions need.
pub const PROGRAM: swarm_program::settings::Program = swarm_program::settings::Program { name: "swarmctl" };
