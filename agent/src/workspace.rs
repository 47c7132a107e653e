//! The directories of one attempt, and which of them outlive it.
//!
//! ```text
//! WORKSPACE/TASK.ATTEMPT/work      where the command runs
//! WORKSPACE/TASK.ATTEMPT/inputs    what its dependencies printed, a file each
//! WORKSPACE/kept/TASK.ATTEMPT/     the same, moved here when it is kept
//! ```

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use crate::{config::Keep, held::AttemptKey, state_directory::make_private};

/// Kept directories are for people to look at; beyond this the oldest go.
const MAX_KEPT: usize = 50;
/// Directories of one name: leftovers of a crash, or of another coordinator's task with the same id.
const MAX_NAMESAKES: u32 = 100;
const KEPT: &str = "kept";

/// The fresh directories of one attempt.
#[derive(Debug)]
pub(crate) struct AttemptDirectory {
    root: PathBuf,
    kept: PathBuf,
}

impl AttemptDirectory {
    /// Makes them; only this user can read them.
    pub(crate) fn make(workspace: &Path, key: &AttemptKey) -> io::Result<AttemptDirectory> {
        make_private(&workspace.join(KEPT))?;
        let mut name = key.to_string();
        for namesake in 2..=MAX_NAMESAKES {
            let root = workspace.join(&name);
            if !root.try_exists()? {
                make_private(&root.join("work"))?;
                make_private(&root.join("inputs"))?;
                return Ok(AttemptDirectory {
                    kept: workspace.join(KEPT),
                    root,
                });
            }
            name = format!("{key}-{namesake}");
        }
        Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            format!(
                "{} and {MAX_NAMESAKES} more of that name are there already",
                workspace.join(&name).display()
            ),
        ))
    }

    /// Where the command runs.
    pub(crate) fn work(&self) -> PathBuf {
        self.root.join("work")
    }

    /// Where its dependencies' outputs are.
    pub(crate) fn inputs(&self) -> PathBuf {
        self.root.join("inputs")
    }

    /// Removes them, or moves them to where they are kept and says where that is.
    pub(crate) fn close(self, keep: bool) -> io::Result<Option<PathBuf>> {
        if !keep {
            fs::remove_dir_all(&self.root)?;
            return Ok(None);
        }
        let name = self.root.file_name().unwrap_or_default();
        let kept = self.kept.join(name);
        if kept.try_exists()? {
            fs::remove_dir_all(&kept)?;
        }
        fs::rename(&self.root, &kept)?;
        keep_newest(&self.kept, MAX_KEPT)?;
        Ok(Some(kept))
    }
}

impl Keep {
    /// Whether to keep the directories of an attempt that succeeded or did not.
    pub(crate) fn applies(self, succeeded: bool) -> bool {
        match self {
            Keep::Never => false,
            Keep::OnFailure => !succeeded,
            Keep::Always => true,
        }
    }
}

/// Moves what a process that died left in a workspace of this agent's own to where it is kept.
pub(crate) fn keep_leftovers(workspace: &Path) -> io::Result<usize> {
    let entries = match fs::read_dir(workspace) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    let mut count = 0;
    for entry in entries {
        let root = entry?.path();
        if root.file_name().is_some_and(|name| name != KEPT) && root.join("work").is_dir() {
            AttemptDirectory {
                root,
                kept: workspace.join(KEPT),
            }
            .close(true)?;
            count += 1;
        }
    }
    Ok(count)
}

/// Removes all but the newest of what is in a directory. Several agents may tidy one place at a time.
pub(crate) fn keep_newest(directory: &Path, count: usize) -> io::Result<()> {
    let mut aged: Vec<(SystemTime, PathBuf)> = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        match entry.metadata().and_then(|metadata| metadata.modified()) {
            Ok(modified) => aged.push((modified, entry.path())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    aged.sort();
    let surplus = aged.len().saturating_sub(count);
    for (_, path) in aged.into_iter().take(surplus) {
        let removed = if path.is_dir() {
            fs::remove_dir_all(&path)
        } else {
            fs::remove_file(&path)
        };
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(task_id: &str) -> AttemptKey {
        AttemptKey {
            task_id: task_id.to_owned(),
            attempt: 1,
        }
    }

    #[test]
    fn each_attempt_gets_fresh_directories_even_after_a_namesake() {
        let workspace = tempfile::tempdir().unwrap();
        let first = AttemptDirectory::make(workspace.path(), &key("a")).unwrap();
        let second = AttemptDirectory::make(workspace.path(), &key("a")).unwrap();
        assert_ne!(first.work(), second.work());
        assert!(second.work().is_dir() && second.inputs().is_dir());
    }

    #[test]
    fn what_is_not_kept_is_gone_and_what_is_kept_is_bounded() {
        let workspace = tempfile::tempdir().unwrap();
        let gone = AttemptDirectory::make(workspace.path(), &key("a")).unwrap();
        assert_eq!(gone.close(false).unwrap(), None);
        for n in 0..MAX_KEPT + 5 {
            let kept = AttemptDirectory::make(workspace.path(), &key(&format!("t{n}"))).unwrap();
            kept.close(true).unwrap();
        }
        assert_eq!(
            fs::read_dir(workspace.path().join(KEPT)).unwrap().count(),
            MAX_KEPT
        );
        assert_eq!(fs::read_dir(workspace.path()).unwrap().count(), 1);
    }

    #[test]
    fn leftovers_of_a_crash_are_moved_to_the_kept_ones() {
        let workspace = tempfile::tempdir().unwrap();
        let left = AttemptDirectory::make(workspace.path(), &key("a")).unwrap();
        fs::write(left.work().join("half"), b"done").unwrap();
        drop(left);
        assert_eq!(keep_leftovers(workspace.path()).unwrap(), 1);
        assert_eq!(
            fs::read(workspace.path().join("kept/a.1/work/half")).unwrap(),
            b"done"
        );
        assert_eq!(keep_leftovers(workspace.path()).unwrap(), 0);
    }
}
