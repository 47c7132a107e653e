//! The directory of one attempt, from its making to its end: removed, kept, or a spare one.

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::{self, ErrorKind},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    MAX_NAMESAKES, Workspace, is_one_disk,
    size::{self, Files},
    spares::INPUTS,
};
use crate::{
    attempt_key::AttemptKey,
    disk::{
        removal::{MARKER, remove_tree},
        write::make_private,
    },
};

/// The fresh directories of one attempt.
#[derive(Debug)]
pub(crate) struct AttemptDirectory {
    workspace: Arc<Workspace>,
    pub(super) root: PathBuf,
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

    /// The files that the task left.
    pub(crate) fn files(&self) -> io::Result<Files> {
        size::files(&self.work())
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
pub(super) fn make_marker(file: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600).open(file)?;
    Ok(())
}
