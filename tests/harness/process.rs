//! Processes that no test started itself, as `/proc` shows them.

use std::{fs, path::Path};

/// Whether a process runs; one that has ended and was not waited for does not.
pub(crate) fn is_running(pid: i32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else {
        return false;
    };
    // The name in parentheses may hold anything; the state follows the last one.
    let state = stat.rsplit_once(')').map(|(_, rest)| rest.trim_start());
    !state.is_some_and(|state| state.starts_with(['Z', 'X']))
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
