//! The verbs, one file each.

pub mod agent;
mod bulk;
pub mod cancel;
mod changes;
mod describe;
pub mod dev;
pub mod events;
mod filter;
pub mod inspect;
pub mod job;
pub mod list;
mod listing;
pub mod logs;
pub mod retry;
pub mod run;
mod spec;
pub mod status;
pub mod submit;
pub mod wait;
