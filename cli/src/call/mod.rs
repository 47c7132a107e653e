//! Calls to the coordinator, and what is made of several of them.

pub mod client;
pub(crate) mod patience;

pub(crate) mod pages;

pub mod follow;

pub mod subject;

pub mod awaited;
