//! Runs the real `swarmctl` against a fake coordinator, and checks its output and exit codes.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod changes;
mod events;
mod exchange;
mod explain;
mod failure;
mod fake;
mod golden;
mod hold;
mod hostile;
mod ids;
mod lists;
mod look;
mod names;
mod progress;
mod queue;
mod require;
mod submit;
mod terminal;
mod wait;
