//! The directories of attempts. Some are kept for people, the others removed or used again.
//!
//! ```text
//! WORKSPACE/TASK.ATTEMPT/.swarm-attempt   says that an agent made the directory; nothing without it is ever removed
//! WORKSPACE/TASK.ATTEMPT/work             where the command runs
//! WORKSPACE/TASK.ATTEMPT/inputs           what its dependencies printed, a file each
//! WORKSPACE/kept/TASK.ATTEMPT/            the same, moved here when it is kept
//! WORKSPACE/.spare-AGENT-N/               an ended one without its `work`, for the next
//! ```

mod attempt_directory;
mod kept;
mod removals;
mod size;
mod space;
mod spares;

use std::{
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use swarm_proto::limits::MAX_ID_BYTES;

use self::spares::Spares;
pub(crate) use self::{
    attempt_directory::AttemptDirectory,
    kept::{Bounds, Kept, MAX_KEPT},
    space::{Space, is_full, is_one_disk},
};
use super::{removal::MARKER, write::make_private};
use crate::program::{file_name::is_file_name, random};

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
