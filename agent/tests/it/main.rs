//! The real agent program against a coordinator that does what a test tells it.

#![expect(clippy::unwrap_used, reason = "clippy takes what helps a test for no test")]

mod fake;
mod program;

mod asking;
mod delivering;
#[cfg(target_os = "linux")]
mod disk;
mod enduring;
#[cfg(target_os = "linux")]
mod hanging;
mod holding;
mod leaving;
#[cfg(target_os = "linux")]
mod orphans;
#[cfg(target_os = "linux")]
mod private;
mod running;
mod starting;
mod strangers;
#[cfg(target_os = "linux")]
mod terminal;
#[cfg(target_os = "linux")]
mod trees;
