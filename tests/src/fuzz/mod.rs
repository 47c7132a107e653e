//! The code that reads bytes of strangers. Each target takes any bytes and panics when something is wrong: for
//! `cargo fuzz` in `tests/fuzz`, and for an ordinary test that goes through the kept corpus.

mod filter;
mod job_file;
mod journal;
mod request;
mod stored;

/// One of them.
#[derive(Clone, Copy)]
pub struct Target {
    /// The name of its corpus, and of its program for `cargo fuzz`.
    pub name: &'static str,
    /// Panics when something is wrong.
    pub run: fn(&[u8]),
}

/// All of them.
pub const TARGETS: [Target; 5] = [
    Target {
        name: "filter",
        run: filter::run,
    },
    Target {
        name: "job_file",
        run: job_file::run,
    },
    Target {
        name: "journal",
        run: journal::run,
    },
    Target {
        name: "request",
        run: request::run,
    },
    Target {
        name: "stored",
        run: stored::run,
    },
];

/// Carries out one of them.
///
/// # Panics
///
/// When there is none of that name, and when something is wrong.
pub fn run(name: &str, bytes: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name);
    (target.expect("it is the name of a target").run)(bytes);
}

pub use request::{call, method_number};
pub use stored::RECORDS;
