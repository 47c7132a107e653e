//! The stored forms of events and records: engine types ⇄ the messages of `swarm/store/v1/*.proto`.
//!
//! The format is a promise: whatever a released coordinator wrote, every later one reads. Fields and
//! facts are added, never changed, and their numbers never used again. Before a change, ask:
//!
//! - **New reader, old data**: a field that was added later is absent. What does its default mean?
//! - **Old reader, new data**: an unknown fact or enum value is refused, since going on without it would
//!   give another state; an unknown *field* is passed over. So a field may be added only if a reader
//!   that has never heard of it still does right; otherwise it takes a new fact.
//! - **Old writer, new data**: an older coordinator that writes a record again leaves out the fields it
//!   passed over.
//!
//! `golden/` holds the bytes of one event of each kind and of each record. A file there changes only
//! when an example was given a field that did not exist before; `UPDATE_GOLDEN=1` writes them.
//!
//! Damage is found before these functions are called, by the checksums of journal and store. They are
//! given bytes that a coordinator wrote, and yet no bytes make them panic.

mod event;

mod agent;
mod ended;
mod hold;
mod job;
mod limit;
mod output;
mod task;

mod attempt;
mod error;
mod field;

#[cfg(test)]
pub(crate) mod examples;
#[cfg(test)]
mod tests;

pub use agent::{decode_agent, encode_agent};
pub use ended::{decode_ended, encode_ended};
pub use error::StoredError;
pub use event::{decode, encode, kind};
pub use hold::{decode_hold, encode_hold};
pub use job::{decode_job, encode_job};
pub use limit::{decode_limit, encode_limit};
pub use output::{decode_output, encode_output};
pub use task::{decode_task, encode_task};
