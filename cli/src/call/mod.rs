//! Talking to the coordinator: single calls, pages of lists, streams of events, and the meaning of ids.

pub mod client;
pub(crate) mod patience;

pub(crate) mod pages;

pub(crate) mod clocks;
pub(crate) mod names;

pub mod follow;
pub(crate) mod newest_events;

pub mod subject;

pub mod awaited;
