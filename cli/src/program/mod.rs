//! What every part of the program stands on: its flags, its words to a person, and what a command line names.

pub mod globals;
pub mod next;
pub mod terminal;

/// The program by its name.
pub const PROGRAM: swarm_settings::Program = swarm_settings::Program { name: "swarmctl" };
