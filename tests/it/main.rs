//! Everything that needs more than one crate, by what it is about. Most tests run the real programs;
//! `tidy` looks at the sources, and `start/deploy.rs` at what is shipped with them.

#![expect(
    clippy::unwrap_used,
    reason = "in a test a panic is the report; clippy knows only the #[test] functions"
)]

#[path = "../crash/mod.rs"]
mod crash;
#[path = "../harness/mod.rs"]
mod harness;

mod markdown;

mod people;

mod agents;

mod disk;

mod wire;

mod start;

mod tidy;
