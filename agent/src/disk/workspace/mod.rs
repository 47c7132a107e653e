//! The directories of attempts. Some are kept for people, the others removed or used again.
//!
//! ```text
//! WORKSPACE/TASK.ATTEMPT/.swarm-attempt   says that an agent made the directory; nothing without it is ever removed
//! WORKSPACE/TASK.ATTEMPT/work             where the command runs
//! WORKSPACE/TASK.ATTEMPT/inputs           what its dependencies printed, a file each
//! WORKSPACE/kept/TASK.ATTEMPT/            the same, moved here when it is kept
//! WORKSPACE/.spare-AGENT-N/               an ended one without its `work`, for the next
//! ```

mod kept;
mod size;
mod space;
mod spares;

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::{self, ErrorKind},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use swarm_proto::limits::MAX_ID_BYTES;

use self::spares::{INPUTS, Spares};
pub(crate) use self::{
    kept::{Bounds, Kept, MAX_KEPT},
    space::{Space, is_full, is_one_disk},
};
use super::{
    removal::{MARKER, remove_tree},
    write::make_private,
};
use crate::{
    attempt_key::AttemptKey,
    program::{file_name::is_file_name, random},
};

/// Directories of one name. There are several after a crash, or when two coordinators have tasks of the same id.
const MAX_NAMESAKES: u32 = 100;
const KEPT: &str = "kept";
/// Random characters of a probe's name: several agents may probe one directory at a time.
const PROBE_CHARACTERS: usize = 10;
/// Directories of others that a start names. There may be any number.
const MAX_NAMED: usize = 5;

/// The directory in which attempts have theirs.
#[derive(Debug)]
pub(crate) struct Workspace {
    path: PathBuf,
    spares: Spares,
    kept: Kept,
}

impl Workspace {
    /// The workspace of this agent at this path. The first attempt makes it.
    pub(crate) fn new(path: PathBuf, agent_id: &str, bounds: Bounds) -> Workspace {
        let spares = Spares::new(&path, agent_id);
        let kept = Kept::new(path.join(KEPT), bounds);
        Workspace { path, spares, kept }
    }

    /// The path of the workspace.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The directories that are kept for people.
    pub(crate) fn kept(&self) -> &Kept {
        &self.kept
    }

    /// Moves the directories that a dead process left in the agent's own workspace to the kept ones; returns their
    /// number. A directory that cannot be moved stays, and so does everything that no agent made.
    pub(crate) fn keep_leftovers(&self) -> usize {
        let entries = match fs::read_dir(&self.path) {
            Ok(entries) => entries,
            Err(error) => {
                if error.kind() != ErrorKind::NotFound {
                    tracing::warn!(%error, "cannot tidy the workspace {}", self.path.display());
                }
                return 0;
            }
        };
        let mut count = 0;
        let mut strange = Vec::new();
        for entry in entries.flatten() {
            let name = entry.file_name();
            if name == KEPT || spares::is_name(&name) {
                continue;
            }
            let root = entry.path();
            if !is_attempt_directory(&root) {
                strange.push(root);
                continue;
            }
            match self.kept.keep(&root) {
                Ok(_) => count += 1,
                Err(error) => tracing::warn!(%error, "cannot move {} to the kept ones", root.display()),
            }
        }
        tell_strange(&self.path, &strange);
        tell_strange(self.kept.directory(), &self.kept.strange());
        count
    }
}

/// Says what is in a workspace that no agent made.
fn tell_strange(workspace: &Path, strange: &[PathBuf]) {
    if strange.is_empty() {
        return;
    }
    let count = strange.len();
    let names: Vec<String> = strange
        .iter()
        .take(MAX_NAMED)
        .filter_map(|path| Some(format!("{:?}", path.file_name()?)))
        .collect();
    tracing::warn!(
        "{} has {count} entries that no attempt of this version made, which are left alone: {}{}",
        workspace.display(),
        names.join(", "),
        if count > MAX_NAMED { ", …" } else { "" },
    );
}

/// Whether this is a directory that an agent made for an attempt, and no link to one.
fn is_attempt_directory(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    name.is_some_and(is_attempt_name)
        && fs::symlink_metadata(path).is_ok_and(|found| found.is_dir())
        && fs::symlink_metadata(path.join(MARKER)).is_ok_and(|found| found.is_file())
}

/// Whether a name is that of an attempt, `TASK.ATTEMPT` or `TASK.ATTEMPT-NAMESAKE`.
pub(crate) fn is_attempt_name(name: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    name.rsplit_once('.').is_some_and(|(task_id, attempt)| {
        let (number, namesake) = attempt.split_once('-').unwrap_or((attempt, "2"));
        is_file_name(task_id, MAX_ID_BYTES) && is_number(number) && is_number(namesake)
    })
}

/// The name of an attempt without what tells it from its namesakes.
fn without_namesake(name: &str) -> &str {
    let attempt = name.rfind('.').unwrap_or(0);
    name[attempt..]
        .find('-')
        .map_or(name, |namesake| &name[..attempt + namesake])
}

/// The fresh directories of one attempt.
#[derive(Debug)]
pub(crate) struct AttemptDirectory {
    workspace: Arc<Workspace>,
    root: PathBuf,
    has_inputs: bool,
}

impl AttemptDirectory {
    /// Makes the directories, readable for this user only. `has_inputs` says whether the inputs will get any files. On
    /// a full disk kept directories give way.
    pub(crate) fn make(
        workspace: &Arc<Workspace>,
        key: &AttemptKey,
        has_inputs: bool,
    ) -> io::Result<AttemptDirectory> {
        workspace
            .kept
            .make_room_for(|| Self::make_once(workspace, key, has_inputs))
    }

    fn make_once(
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
                    make_new(&directory.work()).inspect_err(|_| directory.undo())?;
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
        let marked = make_marker(&self.root.join(MARKER)).and_then(|()| make_new(&self.inputs()));
        marked.inspect_err(|_| self.undo())?;
        spares.note_fresh(&self.root);
        Ok(())
    }

    /// Removes what could be made of the directories.
    fn undo(&self) {
        if let Err(left) = remove_tree(&self.root) {
            tracing::warn!(error = %left, "cannot remove the directory of an attempt that cannot begin");
        }
    }

    /// The directory in which the task runs.
    pub(crate) fn work(&self) -> PathBuf {
        self.root.join("work")
    }

    /// The directory with the outputs of dependencies.
    pub(crate) fn inputs(&self) -> PathBuf {
        self.root.join(INPUTS)
    }

    /// Whether they take space of the file system that has this place.
    pub(crate) fn is_beside(&self, place: &Path) -> bool {
        is_one_disk(&self.root, place)
    }

    /// Removes the directories, or keeps them and returns the new path. They are not kept where that would leave too
    /// little space.
    pub(crate) fn close(&self, keep: bool) -> io::Result<Option<PathBuf>> {
        if keep {
            return self.workspace.kept.keep(&self.root);
        }
        self.remove()?;
        Ok(None)
    }

    fn remove(&self) -> io::Result<()> {
        // Most tasks leave nothing, and an empty directory needs no search.
        let is_directory = fs::symlink_metadata(&self.root).is_ok_and(|found| found.is_dir());
        if is_directory
            && fs::remove_dir(self.work()).is_ok()
            && !self.has_inputs
            && self.workspace.spares.give(&self.root)
        {
            return Ok(());
        }
        remove_tree(&self.root).map_err(io::Error::other)
    }
}

/// Makes a directory; fails when there is one.
fn make_new(directory: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(directory)
}

/// Makes the empty file that says that an agent made the directory.
fn make_marker(file: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600).open(file)?;
    Ok(())
}

/// Makes a workspace, and checks that attempts can have directories in it.
///
/// # Errors
///
/// When directories cannot be made. A full disk is only warned of, since it passes.
pub(crate) fn prove(workspace: &Path) -> io::Result<()> {
    let proved = make_private(&workspace.join(KEPT)).and_then(|()| try_directory(workspace));
    match proved {
        Err(error) if is_full(&error) => {
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

#[cfg(test)]
mod tests;
