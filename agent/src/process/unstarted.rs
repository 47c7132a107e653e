//! Children of this process that have not become their program yet. When the program's file system hangs, so do they,
//! and so does the thread that started them.

use std::fs;

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::tree::own;

/// The number of this thread; 0 on systems that do not number threads as processes.
pub(crate) fn this_thread() -> i32 {
    #[cfg(target_os = "linux")]
    return nix::unistd::gettid().as_raw();
    #[cfg(not(target_os = "linux"))]
    return 0;
}

/// Kills the child of this thread that has not become its program yet, so that the thread can go on. It is the only one
/// whose number its start does not know yet. Of the child itself nothing is asked: the system may hide it, as the child
/// is a copy of this process, which is closed. Does nothing on systems without `/proc`.
pub(crate) fn kill_unstarted(thread: i32) {
    let Ok(children) = fs::read_to_string(format!("/proc/self/task/{thread}/children")) else {
        return;
    };
    let numbers = children.split_whitespace().filter_map(|pid| pid.parse().ok());
    for child in numbers.filter(|pid| !own::is_known(*pid)) {
        // The number is this child's as long as nobody has waited for it.
        let _ = kill(Pid::from_raw(child), Signal::SIGKILL);
    }
}
