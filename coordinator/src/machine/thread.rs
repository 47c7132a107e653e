//! The coordinator's threads, which end with the work that they were started for, and never by a panic.

use std::thread;

use swarm_program::{exit::Exit, failure::Failure};

use crate::program::failure::abort;

/// Starts one of the coordinator's threads.
///
/// # Errors
///
/// When the machine has no more threads.
pub(crate) fn spawn<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<thread::JoinHandle<T>, Failure> {
    // A panic in one of these threads would leave answers waiting for ever.
    let guarded = move || {
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(work))
            .unwrap_or_else(|_| abort("a thread of the coordinator ended because of a bug"))
    };
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(guarded)
        .map_err(|error| Failure::new(Exit::Bug, format!("cannot start the {name} thread: {error}")))
}
