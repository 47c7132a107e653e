//! Clean directories of ended attempts, reused by later ones.
//!
//! ```text
//! WORKSPACE/.spare-AGENT-N     the marker and empty inputs; renamed to TASK.ATTEMPT and back
//! ```
//!
//! Most commands leave nothing behind, and removing three directories and making three others takes longer than
//! starting a short command. The working directory is never reused, nor any directory of an attempt with inputs. So a
//! container that an earlier command started with these directories sees only empty ones.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod other;

use std::{
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

#[cfg(target_os = "linux")]
use self::linux::{Stamp, move_to};
#[cfg(not(target_os = "linux"))]
use self::other::{Stamp, move_to};
use crate::disk::removal::{MARKER, remove_tree};

/// The one directory in a spare.
pub(super) const INPUTS: &str = "inputs";
/// Spares that are kept: as many as a large machine has slots.
const MAX_SPARES: usize = 64;
/// The beginning of the names of all agents' spares.
const NAMES: &str = ".spare-";

/// The spares of one agent. Dropping this removes them.
#[derive(Debug)]
pub(crate) struct Spares {
    /// The beginning of all their paths.
    prefix: PathBuf,
    named: AtomicU64,
    free: Mutex<Vec<PathBuf>>,
    /// The stamp of directories that no attempt has used.
    fresh: OnceLock<Stamp>,
}

impl Spares {
    /// Begins with none, and removes the spares of an earlier process of this agent.
    pub(crate) fn new(workspace: &Path, agent_id: &str) -> Spares {
        let prefix = format!("{NAMES}{agent_id}-");
        for entry in fs::read_dir(workspace).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(&prefix) {
                let _ = remove(&entry.path());
            }
        }
        Spares {
            prefix: workspace.join(prefix),
            named: AtomicU64::new(0),
            free: Mutex::default(),
            fresh: OnceLock::new(),
        }
    }

    /// Notes the stamp of directories that were just made and have no working directory yet.
    pub(crate) fn note_fresh(&self, root: &Path) {
        if self.fresh.get().is_none()
            && let Ok(Some(stamp)) = Stamp::at(root)
        {
            let _ = self.fresh.set(stamp);
        }
    }

    /// Moves a spare to `root`; false when there is no spare, or when `root` exists.
    pub(crate) fn take(&self, root: &Path) -> bool {
        let Some(spare) = self.free().pop() else {
            return false;
        };
        match move_to(&spare, root) {
            // A clean-up of old directories, or a task, may have changed the spare meanwhile.
            Ok(()) if self.is_fresh(root) => true,
            Ok(()) => {
                let _ = remove_tree(root);
                false
            }
            Err(error) => {
                if error.kind() == io::ErrorKind::AlreadyExists {
                    self.free().push(spare);
                }
                false
            }
        }
    }

    /// Makes a spare of `root` if nobody has changed it; true when `root` was moved.
    pub(crate) fn give(&self, root: &Path) -> bool {
        if self.free().len() >= MAX_SPARES || !self.is_fresh(root) {
            return false;
        }
        let mut spare = self.prefix.clone().into_os_string();
        spare.push(self.named.fetch_add(1, Ordering::Relaxed).to_string());
        let spare = PathBuf::from(spare);
        let is_moved = move_to(root, &spare).is_ok();
        if is_moved {
            self.free().push(spare);
        }
        is_moved
    }

    fn is_fresh(&self, root: &Path) -> bool {
        Stamp::at(root).is_ok_and(|stamp| stamp.is_some() && stamp.as_ref() == self.fresh.get())
    }

    fn free(&self) -> MutexGuard<'_, Vec<PathBuf>> {
        self.free.lock().expect("nothing panics while it has the spares")
    }
}

impl Drop for Spares {
    fn drop(&mut self) {
        for spare in self.free().drain(..) {
            let _ = remove(&spare);
        }
    }
}

/// Whether a name is that of a spare.
pub(super) fn is_name(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(NAMES.as_bytes())
}

/// Removes an empty spare.
fn remove(spare: &Path) -> io::Result<()> {
    fs::remove_dir(spare.join(INPUTS))?;
    // Earlier versions made spares without a marker.
    let _ = fs::remove_file(spare.join(MARKER));
    fs::remove_dir(spare)
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::{
        fs::Permissions,
        os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
        sync::Arc,
    };

    use rustix::{
        fs::{IFlags, XattrFlags, ioctl_getflags, ioctl_setflags, setxattr},
        io::Errno,
    };

    use crate::{
        attempt_key::AttemptKey,
        disk::workspace::{AttemptDirectory, Bounds, Workspace},
    };

    use super::*;

    /// A change that a task makes to its directories.
    type Change = fn(&AttemptDirectory);

    fn make(workspace: &Arc<Workspace>, task_id: &str) -> AttemptDirectory {
        let key = AttemptKey {
            task_id: task_id.to_owned(),
            attempt: 1,
        };
        AttemptDirectory::make(workspace, &key, false).unwrap()
    }

    fn open(place: &Path) -> Arc<Workspace> {
        open_as(place, "agent")
    }

    fn open_as(place: &Path, agent_id: &str) -> Arc<Workspace> {
        let bounds = Bounds {
            bytes: u64::MAX,
            free: Some(0),
        };
        Arc::new(Workspace::new(place.to_owned(), agent_id, bounds))
    }

    fn names(place: &Path) -> Vec<String> {
        let entries = fs::read_dir(place).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.collect()
    }

    fn number(file: &Path) -> u64 {
        fs::metadata(file).unwrap().ino()
    }

    #[test]
    fn what_was_left_as_it_was_made_is_used_again_but_for_the_place_of_the_command() {
        let place = tempfile::tempdir().unwrap();
        let workspace = open(place.path());
        let first = make(&workspace, "a");
        let (inputs, work) = (number(&first.inputs()), number(&first.work()));
        // An open working directory must not become that of the next attempt.
        let held = fs::File::open(first.work()).unwrap();
        first.close(false).unwrap();
        assert_eq!(names(place.path()), [".spare-agent-0"]);
        let second = make(&workspace, "b");
        assert_eq!(names(place.path()), ["b.1"]);
        assert_eq!(number(&second.inputs()), inputs);
        assert_ne!(number(&second.work()), work);
        assert_eq!(fs::read_dir(second.work()).unwrap().count(), 0);
        drop(held);
        second.close(false).unwrap();
        drop((first, second, workspace));
        assert_eq!(names(place.path()), [""; 0]);
    }

    #[test]
    fn what_was_changed_in_any_way_is_not_used_again() {
        let place = tempfile::tempdir().unwrap();
        let workspace = open(place.path());
        let changes: [(&str, Change); 12] = [
            ("words in the marker", |directory| {
                fs::write(directory.work().join("..").join(MARKER), "x").unwrap();
            }),
            ("no marker", |directory| {
                fs::remove_file(directory.work().join("..").join(MARKER)).unwrap();
            }),
            ("a pipe in the marker's place", |directory| {
                let marker = directory.work().join("..").join(MARKER);
                fs::remove_file(&marker).unwrap();
                nix::unistd::mkfifo(&marker, nix::sys::stat::Mode::S_IRWXU).unwrap();
            }),
            ("an attribute", |directory| {
                let set = setxattr(directory.inputs(), "user.swarm", b"x", XattrFlags::empty());
                or_a_file(directory, set);
            }),
            ("a flag", |directory| {
                let inputs = fs::File::open(directory.inputs()).unwrap();
                let flags = ioctl_getflags(&inputs);
                or_a_file(
                    directory,
                    flags.and_then(|flags| ioctl_setflags(&inputs, flags | IFlags::NODUMP)),
                );
            }),
            ("a file in the inputs", |directory| {
                fs::write(directory.inputs().join("x"), "").unwrap()
            }),
            ("a file beside them", |directory| {
                fs::write(directory.work().join("../x"), "").unwrap()
            }),
            ("a mode", |directory| {
                fs::set_permissions(directory.inputs(), Permissions::from_mode(0o770)).unwrap();
            }),
            ("a mode above", |directory| {
                fs::set_permissions(directory.work().join(".."), Permissions::from_mode(0o1700)).unwrap();
            }),
            ("no inputs", |directory| {
                fs::remove_dir(directory.inputs()).unwrap()
            }),
            ("a link in their place", |directory| {
                fs::remove_dir(directory.inputs()).unwrap();
                symlink("/", directory.inputs()).unwrap();
            }),
            ("many files that are gone", |directory| {
                let files: Vec<_> = (0..2000)
                    .map(|n| directory.inputs().join(format!("{n:0>200}")))
                    .collect();
                files.iter().for_each(|file| fs::write(file, "").unwrap());
                files.iter().for_each(|file| fs::remove_file(file).unwrap());
            }),
        ];
        for (what, change) in changes {
            let directory = make(&workspace, "a");
            let before = size_of(&directory.inputs());
            change(&directory);
            // Some file systems shrink a directory again.
            let is_as_before = what.starts_with("many") && size_of(&directory.inputs()) == before;
            directory.close(false).unwrap();
            assert_eq!(names(place.path()).is_empty(), !is_as_before, "{what}");
        }
    }

    /// A file instead, on file systems that do not support the change.
    fn or_a_file(directory: &AttemptDirectory, changed: Result<(), Errno>) {
        if changed.is_err() {
            fs::write(directory.inputs().join("x"), "").unwrap();
        }
    }

    fn size_of(directory: &Path) -> u64 {
        fs::metadata(directory).map_or(0, |metadata| metadata.size())
    }

    #[test]
    fn where_inputs_are_written_nobody_has_been_before() {
        let place = tempfile::tempdir().unwrap();
        let workspace = open(place.path());
        let first = make(&workspace, "a");
        let held = fs::File::open(first.inputs()).unwrap();
        first.close(false).unwrap();
        let key = AttemptKey {
            task_id: "b".to_owned(),
            attempt: 1,
        };
        let second = AttemptDirectory::make(&workspace, &key, true).unwrap();
        assert_ne!(number(&second.inputs()), held.metadata().unwrap().ino());
        // Nor does any later attempt get these inputs.
        second.close(false).unwrap();
        assert_eq!(names(place.path()), [".spare-agent-0"]);
    }

    #[test]
    fn one_that_was_changed_while_it_waited_is_not_used() {
        let place = tempfile::tempdir().unwrap();
        let workspace = open(place.path());
        make(&workspace, "a").close(false).unwrap();
        let spare = place.path().join(".spare-agent-0");
        fs::write(spare.join("work"), "not a directory").unwrap();
        let second = make(&workspace, "b");
        assert_eq!(fs::read_dir(second.work()).unwrap().count(), 0);
        second.close(false).unwrap();
        fs::remove_dir(place.path().join(".spare-agent-1/inputs")).unwrap();
        assert!(make(&workspace, "c").inputs().is_dir());
    }

    #[test]
    fn a_name_that_is_taken_is_not_taken_over() {
        let place = tempfile::tempdir().unwrap();
        let workspace = open(place.path());
        make(&workspace, "a").close(false).unwrap();
        fs::create_dir(place.path().join("a.1")).unwrap();
        let second = make(&workspace, "a");
        assert_eq!(second.work(), place.path().join("a.1-2/work"));
        assert_eq!(names(&place.path().join("a.1")), [""; 0]);
    }

    #[test]
    fn those_of_an_agent_that_was_killed_go_with_its_next_start_and_those_of_others_stay() {
        let place = tempfile::tempdir().unwrap();
        let others = open_as(place.path(), "other");
        make(&others, "a").close(false).unwrap();
        let workspace = open(place.path());
        make(&workspace, "b").close(false).unwrap();
        std::mem::forget(workspace);
        assert_eq!(names(place.path()).len(), 2);
        drop(open(place.path()));
        assert_eq!(names(place.path()), [".spare-other-0"]);
        drop(others);
        assert_eq!(open(place.path()).keep_leftovers(), 0);
    }

    #[test]
    fn no_more_are_kept_than_the_bound() {
        let place = tempfile::tempdir().unwrap();
        let workspace = open(place.path());
        let all: Vec<_> = (0..=MAX_SPARES)
            .map(|n| make(&workspace, &format!("t{n}")))
            .collect();
        for directory in all {
            directory.close(false).unwrap();
        }
        assert_eq!(names(place.path()).len(), MAX_SPARES);
    }
}
