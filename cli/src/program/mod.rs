//! What every part of the program stands on: its flags, its words to a person, and what a command line names.

pub mod globals;
pub mod next;
pub mod terminal;
