//! Runs the real `swarmctl` against a coordinator of a few lines, and looks at what a shell sees.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod changes;
mod events;
mod exchange;
mod explain;
mod fake;
mod golden;
mod hold;
mod ids;
mod lists;
mod look;
mod names;
mod progress;
mod queue;
mod require;
mod submit;
mod terminal;
mod trouble;
mod wait;
