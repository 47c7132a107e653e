//! The verbs about the program itself.

pub mod complete_ids;
pub mod completions;
pub mod config;
pub mod help;
pub mod manual;
pub(crate) mod tips;
