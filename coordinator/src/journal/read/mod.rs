//! The journal is read: entry by entry, or by the seq of an event.

pub(crate) mod catalog;
pub(crate) mod reader;
pub(crate) mod walk;
