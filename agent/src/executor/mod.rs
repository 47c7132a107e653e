//! How an attempt is carried out; one file per kind of work.

pub(crate) mod command;
