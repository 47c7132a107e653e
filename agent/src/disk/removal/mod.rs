//! Removes files and directories of attempts, even where a task has made them read-only.

use std::{
    fs::{self, Permissions},
    io::{self, ErrorKind},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::SystemTime,
};

/// The rights that the owner of a directory needs to change its entries.
const OWN: u32 = 0o700;

/// Removes all but the newest entries of a directory. An entry that cannot be removed stays. Several agents may tidy
/// one directory at a time.
pub(crate) fn keep_newest(directory: &Path, count: usize) {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) => {
            tracing::warn!(%error, "cannot tidy {}", directory.display());
            return;
        }
    };
    let mut aged: Vec<(SystemTime, PathBuf)> = entries
        .flatten()
        // Another agent may have removed the entry meanwhile.
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    aged.sort();
    let surplus = aged.len().saturating_sub(count);
    for (_, path) in aged.into_iter().take(surplus) {
        if let Err(error) = remove_tree(&path)
            && error.kind() != ErrorKind::NotFound
        {
            tracing::warn!(%error, "cannot remove {}", path.display());
        }
    }
}

/// Removes a file, or a whole directory, even where a task has made it read-only.
pub(crate) fn remove_tree(path: &Path) -> io::Result<()> {
    if !is_directory(path) {
        return fs::remove_file(path);
    }
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            make_writable_below(path);
            fs::remove_dir_all(path)
        }
        removed => removed,
    }
}

/// Makes a directory and all below it writable. The removal that follows reports what could not be changed.
fn make_writable_below(root: &Path) {
    let mut open = vec![root.to_owned()];
    while let Some(directory) = open.pop() {
        let _ = make_writable(&directory);
        let entries = fs::read_dir(&directory).into_iter().flatten().flatten();
        open.extend(
            entries
                .map(|entry| entry.path())
                .filter(|path| is_directory(path)),
        );
    }
}

pub(crate) fn make_writable(directory: &Path) -> io::Result<()> {
    let permissions = fs::metadata(directory)?.permissions();
    if permissions.mode() & OWN == OWN {
        return Ok(());
    }
    fs::set_permissions(directory, Permissions::from_mode(permissions.mode() | OWN))
}

/// Whether it is a directory and no link to one.
pub(crate) fn is_directory(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir())
}
