//! Everything that needs more than one crate. Most tests run the real programs;
//! `tidy` and `deploy` look at the sources and at what is shipped with them.

#![expect(
    clippy::unwrap_used,
    reason = "in a test a panic is the report; clippy knows only the #[test] functions"
)]

#[path = "../crash/mod.rs"]
mod crash;
#[path = "../harness/mod.rs"]
mod harness;

mod absence;
mod answering;
mod bench;
mod big_job;
mod completions;
mod control;
mod crashes;
mod deploy;
mod dev;
mod doctor;
mod durability;
mod errors;
mod eviction;
mod exchange;
mod explaining;
mod failing_disk;
mod fencing;
mod flipped_store;
mod full_disk;
mod fuzzing;
mod hostile;
mod killed;
mod lifecycle;
mod listing;
mod logs;
mod metrics;
mod obeying;
mod rebuild;
mod schema;
mod sealed;
mod settings;
mod sharding;
mod slowed;
mod status;
mod stop;
mod stream;
mod tidy;
mod trees;
mod twins;
mod verbs;
mod words;
mod writes;
