//! The directories of attempts. Some are kept for people, the others removed or used again.
//!
//! ```text
//! WORKSPACE/TASK.ATTEMPT/work      where the command runs
//! WORKSPACE/TASK.ATTEMPT/inputs    what its dependencies printed, a file each
//! WORKSPACE/kept/TASK.ATTEMPT/     the same, moved here when it is kept
//! WORKSPACE/.spare-AGENT-N/        what is left of an ended one, for the next
//! ```

mod spares;

use std::{
    fs::{self, DirBuilder},
    io::{self, ErrorKind},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use self::spares::{INPUTS, Spares};
use super::{
    removal::{is_directory, keep_newest, make_writable, remove_tree},
    write::make_private,
};
use crate::{attempt_key::AttemptKey, program::random};

/// Directories that are kept for people; the oldest are removed first.
const MAX_KEPT: usize = 50;
/// Directories of one name. There are several after a crash, or when two coordinators have tasks of the same id.
const MAX_NAMESAKES: u32 = 100;
const KEPT: &str = "kept";
/// Random characters of a probe's name: several agents may probe one directory at a time.
const PROBE_CHARACTERS: usize = 10;

/// The directory in which attempts have theirs.
#[derive(Debug)]
pub(crate) struct Workspace {
    path: PathBuf,
    spares: Spares,
}

impl Workspace {
    /// The workspace of this agent at this path. The first attempt makes it.
    pub(crate) fn new(path: PathBuf, agent_id: &str) -> Workspace {
        let spares = Spares::new(&path, agent_id);
        Workspace { path, spares }
    }

    /// The path of the workspace.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// The fresh directories of one attempt.
#[derive(Debug)]
pub(crate) struct AttemptDirectory {
    workspace: Arc<Workspace>,
    root: PathBuf,
    has_inputs: bool,
}

impl AttemptDirectory {
    /// Makes the directories, readable for this user only. `has_inputs` says whether the inputs will get any files.
    pub(crate) fn make(
        workspace: &Arc<Workspace>,
        key: &AttemptKey,
        has_inputs: bool,
    ) -> io::Result<AttemptDirectory> {
        let mut name = key.to_string();
        for namesake in 2..=MAX_NAMESAKES {
            let directory = AttemptDirectory {
                workspace: Arc::clone(workspace),
                root: workspace.path.join(&name),
                has_inputs,
            };
            match directory.make_root() {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                    name = format!("{key}-{namesake}");
                }
                made => {
                    made?;
                    make_new(&directory.work())?;
                    return Ok(directory);
                }
            }
        }
        Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            format!(
                "{} and {MAX_NAMESAKES} more of that name are there already",
                workspace.path.join(&name).display()
            ),
        ))
    }

    /// Makes the attempt's directory and its inputs, or takes a spare one.
    fn make_root(&self) -> io::Result<()> {
        let spares = &self.workspace.spares;
        if !self.has_inputs && spares.take(&self.root) {
            return Ok(());
        }
        let mut made = make_new(&self.root);
        if let Err(error) = &made
            && error.kind() == ErrorKind::NotFound
        {
            make_private(&self.workspace.path)?;
            made = make_new(&self.root);
        }
        made?;
        make_new(&self.inputs())?;
        spares.note_fresh(&self.root);
        Ok(())
    }

    /// The directory in which the task runs.
    pub(crate) fn work(&self) -> PathBuf {
        self.root.join("work")
    }

    /// The directory with the outputs of dependencies.
    pub(crate) fn inputs(&self) -> PathBuf {
        self.root.join(INPUTS)
    }

    /// Removes the directories, or keeps them and returns the new path.
    pub(crate) fn close(self, keep: bool) -> io::Result<Option<PathBuf>> {
        if keep {
            return keep_tree(&self.root, &self.workspace.path.join(KEPT)).map(Some);
        }
        self.remove()?;
        Ok(None)
    }

    fn remove(&self) -> io::Result<()> {
        // Most tasks leave nothing, and an empty directory needs no search.
        if is_directory(&self.root) && fs::remove_dir(self.work()).is_ok() {
            if !self.has_inputs && self.workspace.spares.give(&self.root) {
                return Ok(());
            }
            if fs::remove_dir(self.inputs()).is_ok() && fs::remove_dir(&self.root).is_ok() {
                return Ok(());
            }
        }
        remove_tree(&self.root)
    }
}

/// Moves an attempt's directories to the kept ones; returns the new path.
fn keep_tree(root: &Path, kept: &Path) -> io::Result<PathBuf> {
    make_private(kept)?;
    let place = kept.join(root.file_name().unwrap_or_default());
    if place.try_exists()? {
        remove_tree(&place)?;
    }
    // A move writes the directory itself, as it names its parent.
    make_writable(root)?;
    fs::rename(root, &place)?;
    keep_newest(kept, MAX_KEPT);
    Ok(place)
}

/// Makes a directory; fails when there is one.
fn make_new(directory: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(directory)
}

/// Makes a workspace, and checks that attempts can have directories in it.
///
/// # Errors
///
/// When directories cannot be made. A full disk is only warned of, since it passes.
pub(crate) fn prove(workspace: &Path) -> io::Result<()> {
    let proved = make_private(&workspace.join(KEPT)).and_then(|()| try_directory(workspace));
    match proved {
        Err(error) if matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => {
            tracing::warn!(%error, "cannot make directories in {}", workspace.display());
            Ok(())
        }
        proved => proved,
    }
}

/// Makes a directory in another one and removes it again, as a check.
pub(crate) fn try_directory(place: &Path) -> io::Result<()> {
    let probe = place.join(format!(".probe-{}", random::base32(PROBE_CHARACTERS)));
    make_private(&probe).and_then(|()| fs::remove_dir(&probe))
}

/// Moves the directories that a dead process left in the agent's own workspace to the kept ones; returns their
/// number. A directory that cannot be moved stays.
pub(crate) fn keep_leftovers(workspace: &Path) -> usize {
    let entries = match fs::read_dir(workspace) {
        Ok(entries) => entries,
        Err(error) => {
            if error.kind() != ErrorKind::NotFound {
                tracing::warn!(%error, "cannot tidy the workspace {}", workspace.display());
            }
            return 0;
        }
    };
    let mut count = 0;
    for root in entries.flatten().map(|entry| entry.path()) {
        if root.file_name().is_none_or(|name| name == KEPT) || !is_directory(&root) {
            continue;
        }
        match keep_tree(&root, &workspace.join(KEPT)) {
            Ok(_) => count += 1,
            Err(error) => tracing::warn!(%error, "cannot move {} to the kept ones", root.display()),
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use std::{fs::Permissions, os::unix::fs::PermissionsExt as _};

    use super::*;

    fn at(path: &Path) -> Arc<Workspace> {
        Arc::new(Workspace::new(path.to_owned(), "agent"))
    }

    fn key(task_id: &str) -> AttemptKey {
        AttemptKey {
            task_id: task_id.to_owned(),
            attempt: 1,
        }
    }

    #[test]
    fn each_attempt_gets_fresh_directories_even_after_a_namesake() {
        let workspace = tempfile::tempdir().unwrap();
        let first = AttemptDirectory::make(&at(workspace.path()), &key("a"), false).unwrap();
        let second = AttemptDirectory::make(&at(workspace.path()), &key("a"), false).unwrap();
        assert_ne!(first.work(), second.work());
        assert!(second.work().is_dir() && second.inputs().is_dir());
    }

    #[test]
    fn what_is_not_kept_is_gone_and_what_is_kept_is_bounded() {
        let workspace = tempfile::tempdir().unwrap();
        let gone = AttemptDirectory::make(&at(workspace.path()), &key("a"), false).unwrap();
        assert_eq!(gone.close(false).unwrap(), None);
        for n in 0..MAX_KEPT + 5 {
            let kept = AttemptDirectory::make(&at(workspace.path()), &key(&format!("t{n}")), false).unwrap();
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
        let left = AttemptDirectory::make(&at(workspace.path()), &key("a"), false).unwrap();
        fs::write(left.work().join("half"), b"done").unwrap();
        drop(left);
        assert_eq!(keep_leftovers(workspace.path()), 1);
        assert_eq!(
            fs::read(workspace.path().join("kept/a.1/work/half")).unwrap(),
            b"done"
        );
        assert_eq!(keep_leftovers(workspace.path()), 0);
    }

    /// Root may do anything. While this value lives, this thread has the file rights of another user.
    #[cfg(target_os = "linux")]
    struct Commoner(nix::unistd::Uid);

    #[cfg(target_os = "linux")]
    impl Commoner {
        fn owning(directories: &[&Path]) -> Commoner {
            use nix::unistd::{Uid, chown, setfsuid};
            if !Uid::effective().is_root() {
                return Commoner(Uid::effective());
            }
            let nobody = Uid::from_raw(65534);
            for directory in directories {
                chown(*directory, Some(nobody), None).unwrap();
            }
            Commoner(setfsuid(nobody))
        }
    }

    #[cfg(target_os = "linux")]
    impl Drop for Commoner {
        fn drop(&mut self) {
            nix::unistd::setfsuid(self.0);
        }
    }

    #[cfg(target_os = "linux")]
    fn forbid(directory: &Path, mode: u32) {
        fs::set_permissions(directory, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn what_a_task_forbade_itself_is_removed_and_kept_all_the_same() {
        let workspace = tempfile::tempdir().unwrap();
        let _commoner = Commoner::owning(&[workspace.path()]);
        for keep in [false, true] {
            let directory = AttemptDirectory::make(&at(workspace.path()), &key("a"), false).unwrap();
            let deep = directory.work().join("x/y");
            fs::create_dir_all(&deep).unwrap();
            fs::write(deep.join("file"), "").unwrap();
            std::os::unix::fs::symlink("/", deep.join("link")).unwrap();
            forbid(&deep, 0o555);
            forbid(&directory.work().join("x"), 0o000);
            forbid(&directory.root, 0o555);
            let root = directory.root.clone();
            let kept = directory.close(keep).unwrap();
            assert!(!root.exists());
            assert_eq!(kept.is_some_and(|kept| kept.exists()), keep);
        }
        keep_newest(&workspace.path().join(KEPT), 0);
        assert_eq!(fs::read_dir(workspace.path().join(KEPT)).unwrap().count(), 0);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn what_cannot_be_tidied_stops_nothing_else() {
        let workspace = tempfile::tempdir().unwrap();
        // As root, the kept place of the first directory is taken by a directory of another user.
        let kept = workspace.path().join(KEPT);
        fs::create_dir_all(kept.join("a.1/x/y")).unwrap();
        let commoner = Commoner::owning(&[workspace.path(), &kept]);
        let obstacles = usize::from(commoner.0.is_root());
        for name in ["a", "b", "c"] {
            AttemptDirectory::make(&at(workspace.path()), &key(name), false).unwrap();
        }
        assert_eq!(keep_leftovers(workspace.path()), 3 - obstacles);
        keep_newest(&kept, 0);
        assert_eq!(fs::read_dir(&kept).unwrap().count(), obstacles);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_workspace_is_made_and_proved_or_refused() {
        let place = tempfile::tempdir().unwrap();
        let _commoner = Commoner::owning(&[place.path()]);
        let workspace = place.path().join("new/one");
        prove(&workspace).unwrap();
        assert_eq!(fs::read_dir(&workspace).unwrap().count(), 1);
        forbid(&workspace, 0o555);
        assert_eq!(prove(&workspace).unwrap_err().kind(), ErrorKind::PermissionDenied);
    }
}
