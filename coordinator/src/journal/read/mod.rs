//! Reading the journal: entry by entry, or from the seq of an event on.

pub(crate) mod catalog;
pub(crate) mod reader;
pub(crate) mod walk;
