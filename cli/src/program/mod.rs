//! The lowest room: global flags, messages to a person, failed calls, and single values of a command line.

pub mod empty;
pub mod globals;
pub mod next;
pub mod terminal;

pub mod failure;

pub(crate) mod actor;
pub mod clock;
pub(crate) mod confirmation;
pub(crate) mod interrupt;
pub(crate) mod past;
pub(crate) mod unflagged;
pub mod value;
pub mod when;

/// What the verbs say in their help that print what a task printed.
pub(crate) const OF_TASKS: &str = "\
A file or a pipe gets what the task printed as it is. On a terminal, control sequences and control characters
are left out, so that a task does not steer it.";

/// The program's name, which settings and completions need.
pub const PROGRAM: swarm_program::settings::Program = swarm_program::settings::Program { name: "swarmctl" };
