//! The coordinator as a process, on real directories.

#![expect(clippy::unwrap_used, reason = "clippy takes what helps a test for no test")]

mod client;
mod disk;
mod full_disk;
mod program;
mod verbs;
