//! The verbs, one file each.

pub mod agent;
pub mod bench;
pub mod cancel;
mod changes;
pub mod complete_ids;
pub mod config;
mod describe;
pub mod dev;
pub mod doctor;
pub mod events;
pub mod inspect;
pub mod job;
pub mod list;
mod listing;
pub mod logs;
pub mod program;
pub mod retry;
pub mod run;
mod spec;
pub mod status;
pub mod submit;
pub mod wait;
