//! The map in sled 0.34: how it lies there, and the hazards of sled with what is done about each.
//!
//! sled is not given the keys themselves but leaves, of many keys each, all in one tree. Keys that begin with 0xFF are
//! internal, and no reader sees them:
//!
//! ```text
//! 0xFF <key><index>    the chunks of a long value
//! 0xFF                 the mark of a window that is being written
//! 0xFF 0               the digest of everything stored
//! 0xFF 0 1             the digest of the ids
//! 0xFF 0 2             the digest of what a start reads
//! ```
//!
//! - An unfinished snapshot stops sled from opening: `open` deletes it.
//! - Its `flush` never empties the disk's cache: `apply` syncs the file.
//! - Each key costs it some microseconds: `leaf` and `leaves` give it few, `changes` says which.
//! - Items over 128 KiB become files that are never synced: `value` cuts long values into chunks.
//! - It can lose a page, or keep an old one, without a word: `value` has checksums, `digest` a sum of everything, and
//!   `check` and `pass` compare the two, before serving or beside it.
//! - Large batches leak memory: `window` writes them in parts.
//! - Only an opening notes where pages lie, and reads everything written since the last one: `renew` opens it again
//!   beside serving. `reading` is the one way to sled meanwhile.
//! - On a damaged file it may panic, or hang for ever: `probe` looks at it from another process first, and all of it
//!   unless `closing` says that it was left in order.

pub(crate) mod open;
pub(crate) mod reading;

pub(crate) mod leaf;
pub(crate) mod leaves;
pub(crate) mod value;

pub(crate) mod apply;
pub(crate) mod changes;
pub(crate) mod window;

mod check;
pub(crate) mod digest;
pub(crate) mod pass;

pub(crate) mod closing;
pub(crate) mod probe;
mod renew;

mod error;
