//! The agent's own process is closed to its tasks, which are processes of the same user: they can read neither its
//! environment nor its memory, and cannot trace it. Root can.
//!
//! The price is that the agent leaves no core file, and that the system keeps most of its own `/proc/self` from it.

#[cfg(target_os = "linux")]
use std::io;

#[cfg(target_os = "linux")]
use nix::sys::prctl::set_dumpable;

use super::tree::mark;
#[cfg(target_os = "linux")]
use crate::disk::removal::tells_mounts;

/// Closes this process.
pub(crate) fn close() {
    // The agent that runs this one in an attempt finds it by its mark, which a closed process hides.
    if std::env::var_os(mark::VARIABLE).is_some() {
        return;
    }
    #[cfg(target_os = "linux")]
    {
        let set_open = |is_open| set_dumpable(is_open).map_err(io::Error::from);
        // Old kernels say only in `/proc/self` what is mounted. Nothing is removed where that is not known.
        let closed = set_open(false).and_then(|()| {
            tells_mounts().inspect_err(|_| {
                let _ = set_open(true);
            })
        });
        if let Err(error) = closed {
            tracing::warn!(%error, "tasks can read the environment and the memory of this agent");
        }
    }
}
