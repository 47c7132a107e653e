//! The real programs as a test holds them: each in a directory of its own, on a
//! free port of the loopback, and ended with the test, however that ends.

pub(crate) mod agent;
pub(crate) mod cgroup;
pub(crate) mod client;
pub(crate) mod clock;
pub(crate) mod coordinator;
pub(crate) mod deaf;
pub(crate) mod disk;
pub(crate) mod fake_agent;
pub(crate) mod pipe;
pub(crate) mod process;
pub(crate) mod program;
pub(crate) mod raw;
pub(crate) mod raw_http2;
pub(crate) mod seeded;
pub(crate) mod small_disk;
pub(crate) mod swarmctl;

use std::{
    path::Path,
    thread,
    time::{Duration, Instant},
};

/// Time within which a condition comes true, also on a machine that is busy with the other tests.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Pauses between two looks at a condition: short beside what is waited for.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(10);

/// Looks until there is an answer, or until the time is over. The only place where a test sleeps.
pub(crate) fn wait_at_most<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    loop {
        let found = look();
        let left = limit.saturating_sub(start.elapsed());
        if found.is_some() || left.is_zero() {
            return found;
        }
        thread::sleep(left.min(LOOK_AGAIN_AFTER));
    }
}

/// Looks until there is an answer.
///
/// # Panics
///
/// When there is none within `limit`; `what` says what was waited for.
pub(crate) fn wait_for<T>(what: &str, limit: Duration, look: impl FnMut() -> Option<T>) -> T {
    wait_at_most(limit, look).unwrap_or_else(|| panic!("waited {limit:?} in vain until {what}"))
}

/// Looks until the condition holds.
///
/// # Panics
///
/// When it does not within [`PATIENCE`].
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    wait_for(what, PATIENCE, || condition().then_some(()));
}

/// The root of the workspace.
pub(crate) fn workspace_root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the tests are a member of the workspace")
}

/// Copies a directory with all that is in it; what goes meanwhile, as where a program works in it, is left out.
pub(crate) fn copy_dir(from: &Path, to: &Path) {
    copy_entries(std::fs::read_dir(from).unwrap(), to);
}

fn copy_entries(entries: std::fs::ReadDir, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in entries {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if there(entry.file_type()).is_some_and(|kind| kind.is_dir()) {
            if let Some(below) = there(std::fs::read_dir(entry.path())) {
                copy_entries(below, &target);
            }
        } else {
            there(std::fs::copy(entry.path(), target));
        }
    }
}

/// What is asked of a file, unless it is gone.
fn there<T>(found: std::io::Result<T>) -> Option<T> {
    match found {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        found => Some(found.unwrap()),
    }
}
