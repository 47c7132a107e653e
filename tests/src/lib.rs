//! Targets and calls that the tests and the fuzzing of this workspace share.

pub mod fuzz;
pub mod raw;
