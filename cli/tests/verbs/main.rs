//! Runs the real `swarmctl` against a fake coordinator, and checks its output and exit codes.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod beginnings;
mod changes;
mod doubts;
mod drain;
mod events;
mod exchange;
mod explain;
mod failure;
mod fake;
mod golden;
mod help;
mod hold;
mod hostile;
mod ids;
mod input;
mod job_files;
mod lists;
mod logs;
mod look;
mod names;
mod progress;
mod queue;
mod quiet;
mod refused;
mod remove;
mod require;
mod status;
mod submit;
mod terminal;
mod wait;
mod watch;
