//! The verbs, one file each.

pub mod agent;
pub mod bench;
pub mod cancel;
mod changes;
mod describe;
pub mod dev;
pub mod events;
pub mod export;
pub mod import;
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
