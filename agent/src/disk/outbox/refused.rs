//! The results that the coordinator did not want. They are kept for people, and the oldest go first.
//!
//! Only what an outbox wrote is removed: a directory with an attempt's name and no other files than these, or an
//! unreadable report.

use std::{
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use super::EXTENSION;
use crate::disk::{removal::remove_tree, workspace::is_attempt_name};

/// The files of one refused result.
pub(super) const STDOUT: &str = "stdout";
pub(super) const STDERR: &str = "stderr";
pub(super) const WHY: &str = "why";
pub(super) const REPORT: &str = "report";

/// Removes all but the newest results of a directory. A result that cannot be removed stays.
pub(super) fn keep_newest(directory: &Path, count: usize) {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) => {
            tracing::warn!(%error, "cannot tidy {}", directory.display());
            return;
        }
    };
    let mut aged: Vec<(SystemTime, PathBuf)> = entries
        .flatten()
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    aged.sort();
    let surplus = aged.len().saturating_sub(count);
    for (_, path) in aged.into_iter().take(surplus).filter(|(_, path)| is_result(path)) {
        if let Err(left) = remove_tree(&path) {
            tracing::warn!(error = %left, "cannot remove {}", path.display());
        }
    }
}

/// Whether an outbox wrote this.
fn is_result(path: &Path) -> bool {
    let Ok(found) = fs::symlink_metadata(path) else {
        return false;
    };
    if found.is_file() {
        return path.extension().is_some_and(|extension| extension == EXTENSION);
    }
    let has_name = path
        .file_name()
        .and_then(|name| name.to_str())
        .is_some_and(is_attempt_name);
    let is_ours = |entry: fs::DirEntry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let whole = name.strip_suffix(".partial").unwrap_or(&name);
        [STDOUT, STDERR, WHY, REPORT].contains(&whole) && entry.file_type().is_ok_and(|kind| kind.is_file())
    };
    has_name
        && found.is_dir()
        && fs::read_dir(path).is_ok_and(|mut entries| entries.all(|entry| entry.is_ok_and(is_ours)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_results_go_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let place = |name: &str| dir.path().join(name);
        for (name, file) in [("a.1", WHY), ("b.1", "why.partial"), ("c.1", "diary"), ("d", WHY)] {
            fs::create_dir(place(name)).unwrap();
            fs::write(place(name).join(file), "").unwrap();
        }
        fs::create_dir_all(place("e.1").join(REPORT)).unwrap();
        for name in ["f.report", "notes"] {
            fs::write(place(name), "").unwrap();
        }
        keep_newest(dir.path(), 0);
        let left: Vec<_> = ["a.1", "b.1", "c.1", "d", "e.1", "f.report", "notes"]
            .into_iter()
            .filter(|name| place(name).exists())
            .collect();
        assert_eq!(left, ["c.1", "d", "e.1", "notes"]);
    }
}
