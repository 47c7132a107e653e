//! The verbs that read and write the files of other systems.

pub mod export;
pub mod import;
