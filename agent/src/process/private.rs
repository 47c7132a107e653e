//! The agent's own process is closed to its tasks, which are processes of the same user: they can read neither its
//! environment nor its memory, and cannot trace it. Root can.
//!
//! The price is that the agent leaves no core file, and that the system keeps most of its own `/proc/self` from it.

use super::tree::mark;

/// Closes this process.
pub(crate) fn close() {
    // The agent that runs this one in an attempt finds it by its mark, which a closed process hides.
    if std::env::var_os(mark::VARIABLE).is_some() {
        return;
    }
    #[cfg(target_os = "linux")]
    if let Err(error) = nix::sys::prctl::set_dumpable(false) {
        tracing::warn!(%error, "tasks can read the environment and the memory of this agent");
    }
}
