//! The verbs, one file each.

pub mod agent;
pub mod cancel;
mod changes;
mod describe;
pub mod dev;
pub mod drain;
pub mod events;
pub mod explain;
mod hold;
pub mod inspect;
pub mod job;
pub mod list;
mod listing;
pub mod logs;
pub mod pause;
pub mod queue;
pub mod resume;
pub mod retry;
pub mod run;
mod spec;
pub mod status;
pub mod stop;
pub mod submit;
pub mod undrain;
pub mod wait;
