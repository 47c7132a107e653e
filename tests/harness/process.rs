//! Processes that no test started itself, as `/proc` shows them.

use std::{fs, path::Path};

/// Whether a process runs; one that has ended and was not waited for does not.
pub(crate) fn is_running(pid: i32) -> bool {
    state_of(pid).is_some_and(|state| !matches!(state, 'Z' | 'X'))
}

fn state_of(pid: i32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything; the state follows the last one.
    stat.rsplit_once(')')?.1.trim_start().chars().next()
}

/// Whether a process stands still because of a signal.
pub(crate) fn is_stopped(pid: i32) -> bool {
    state_of(pid).is_some_and(|state| state == 'T')
}

/// The name of a process's program.
pub(crate) fn name_of(pid: i32) -> Option<String> {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    Some(name.trim_end().to_owned())
}

/// The children of a process that has one thread.
pub(crate) fn children_of(pid: i32) -> Vec<i32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    children
        .split_whitespace()
        .filter_map(|child| child.parse().ok())
        .collect()
}

/// The processes whose environment has this mark of an attempt.
pub(crate) fn carriers(mark: &str) -> Vec<i32> {
    let wanted = format!("SWARM_MARK={mark}");
    all()
        .filter(|pid| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment
                .split(|&byte| byte == 0)
                .any(|entry| entry == wanted.as_bytes())
        })
        .collect()
}

/// The guards of the agents that keep their state in this directory.
pub(crate) fn guards_of(state_dir: &Path) -> Vec<i32> {
    all()
        .filter(|pid| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).into_owned();
            let mut words = line.split('\0').skip(1);
            words.next() == Some("--guard")
                && words
                    .next()
                    .is_some_and(|file| Path::new(file).starts_with(state_dir))
        })
        .collect()
}

fn all() -> impl Iterator<Item = i32> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}
