//! The verbs that show things and change nothing.

pub mod list;

pub mod inspect;
pub mod job;

pub mod explain;

pub mod status;

pub mod events;
pub mod logs;
pub mod wait;

mod cut_inputs;
pub(crate) mod filter;
pub(crate) mod holds;
pub(crate) mod listing;
pub(crate) mod sort;
