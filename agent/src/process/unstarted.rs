//! Children of this process that have not become their program yet. When the program's file system hangs, so do they,
//! and so does the thread that started them.

use std::fs;

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// The number of this thread; 0 on systems that do not number threads as processes.
pub(crate) fn this_thread() -> i32 {
    #[cfg(target_os = "linux")]
    return nix::unistd::gettid().as_raw();
    #[cfg(not(target_os = "linux"))]
    return 0;
}

/// Kills the child of this thread that has not become its program yet, so that the thread can go on. Until then a
/// child has the name of the thread that started it. Does nothing on systems without `/proc`.
pub(crate) fn kill_unstarted(thread: i32) {
    let task = format!("/proc/self/task/{thread}");
    let (Ok(name), Ok(children)) = (
        fs::read_to_string(format!("{task}/comm")),
        fs::read_to_string(format!("{task}/children")),
    ) else {
        return;
    };
    for child in children.split_whitespace().filter_map(|pid| pid.parse().ok()) {
        if fs::read_to_string(format!("/proc/{child}/comm")).is_ok_and(|found| found == name) {
            // The number is this child's as long as nobody has waited for it.
            let _ = kill(Pid::from_raw(child), Signal::SIGKILL);
        }
    }
}
