//! What every part of the program stands on: its flags, its words to a person, and what a command line names.

pub mod globals;
pub mod next;
pub mod terminal;

pub mod exit;
pub mod trouble;

pub(crate) mod actor;
pub(crate) mod confirmation;
pub(crate) mod interrupt;
pub(crate) mod past;
pub mod value;

/// The program by its name.
pub const PROGRAM: swarm_settings::Program = swarm_settings::Program { name: "swarmctl" };
