//! The directories of ended attempts that are kept for people. They are bounded by number, by bytes and by the space
//! that they leave. The oldest go first, and go before anything fails for want of space.
//!
//! The marker of a kept directory has its size, and is as old as its keeping.

use std::{
    fs::{self, Permissions},
    io::{self, ErrorKind},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::SystemTime,
};

use super::{
    MAX_NAMESAKES, Space, attempt_directory::make_marker, is_attempt_directory, is_full, is_one_disk,
    removals::Removals, size, without_namesake,
};
use crate::{
    disk::{
        removal::{MARKER, remove_tree},
        write::make_private,
    },
    program::config::Config,
};

/// Directories that are kept.
pub(crate) const MAX_KEPT: usize = 50;
/// Space that stays free unless the owner says otherwise: that, or a part of a smaller disk.
const FREE_BYTES: u64 = 1024 * 1024 * 1024;
const FREE_PART: u64 = 10;
/// A marker before it has its size and takes the other one's place.
const NEW_MARKER: &str = ".swarm-attempt.new";
/// The longest marker that is read: a number.
const MAX_MARKER_BYTES: u64 = 64;

/// The bounds of kept directories, besides their number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// The bytes of all of them.
    pub(crate) bytes: u64,
    /// The space that they leave free; `None` for a size that fits the disk.
    pub(crate) free: Option<u64>,
}

impl Bounds {
    /// The bounds that the owner set.
    pub(crate) fn of(config: &Config) -> Bounds {
        Bounds {
            bytes: config.keep_bytes,
            free: config.keep_free,
        }
    }

    /// The space that stays free on a disk.
    pub(crate) fn least_free(&self, space: Space) -> u64 {
        self.free.unwrap_or(FREE_BYTES.min(space.total / FREE_PART))
    }
}

/// The kept directories of a workspace.
#[derive(Debug)]
pub(crate) struct Kept {
    directory: PathBuf,
    bounds: Bounds,
    pub(super) removals: Removals,
}

/// One kept directory.
struct Entry {
    since: SystemTime,
    path: PathBuf,
    bytes: u64,
}

impl Kept {
    pub(super) fn new(directory: PathBuf, bounds: Bounds) -> Kept {
        Kept {
            directory,
            bounds,
            removals: Removals::default(),
        }
    }

    /// Moves an attempt's directories here; returns the new path, or nothing if they went at once for want of space.
    pub(super) fn keep(&self, root: &Path) -> io::Result<Option<PathBuf>> {
        let place = match self.make_room_for(|| self.move_here(root)) {
            Err(error) if is_full(&error) => {
                tracing::warn!(%error, "cannot keep {}; it is removed", root.display());
                return remove_tree(root).map(|()| None).map_err(io::Error::other);
            }
            moved => moved?,
        };
        note_size(&place);
        self.trim();
        Ok(place.try_exists()?.then_some(place))
    }

    fn move_here(&self, root: &Path) -> io::Result<PathBuf> {
        make_private(&self.directory)?;
        make_writable(root)?;
        mark_again(&root.join(MARKER))?;
        let name = root.file_name().unwrap_or_default().to_string_lossy();
        let mut place = self.directory.join(name.as_ref());
        for namesake in 2..=MAX_NAMESAKES {
            match fs::rename(root, &place) {
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists
                    ) =>
                {
                    place = self
                        .directory
                        .join(format!("{}-{namesake}", without_namesake(&name)));
                }
                moved => return moved.map(|()| place),
            }
        }
        Err(io::Error::other("too many of that name are kept already"))
    }

    /// Removes the oldest until all bounds are kept.
    pub(crate) fn trim(&self) {
        let entries = self.entries();
        let mut count = entries.len();
        let mut bytes = entries
            .iter()
            .fold(0u64, |sum, entry| sum.saturating_add(entry.bytes));
        for oldest in entries {
            let is_within = count <= MAX_KEPT && bytes <= self.bounds.bytes;
            // A removal that goes on may make room enough. The disk is looked at every second.
            if is_within && (self.removals.is_one_going() || !self.is_short()) {
                return;
            }
            bytes = bytes.saturating_sub(oldest.bytes);
            count -= 1;
            self.removals.remove(&oldest.path);
        }
    }

    /// The same if the disk has less space than stays free. A task may have filled it meanwhile.
    pub(crate) fn trim_if_short(&self) {
        if self.is_short() {
            self.trim();
        }
    }

    /// Does something that needs space. While there is too little, the oldest kept directories go.
    pub(crate) fn make_room_for<T>(&self, mut work: impl FnMut() -> io::Result<T>) -> io::Result<T> {
        loop {
            let before = self.removals.gone();
            match work() {
                Err(error) if is_full(&error) && self.give_way(before) => {}
                done => return done,
            }
        }
    }

    /// Whether they take space of the file system that has this place.
    pub(crate) fn is_beside(&self, place: &Path) -> bool {
        is_one_disk(&self.directory, place)
    }

    /// Removes the oldest one, or waits for a removal that goes on when there is no other; false when none can be
    /// removed. What was removed since `before` has made room, too.
    fn give_way(&self, before: u64) -> bool {
        let entries = self.entries();
        entries.iter().any(|oldest| self.removals.remove(&oldest.path)) || self.removals.wait_for_room(before)
    }

    /// Whether the disk has less space than stays free.
    fn is_short(&self) -> bool {
        Space::at(&self.directory).is_ok_and(|space| space.free < self.bounds.least_free(space))
    }

    /// The directories that can be removed, oldest first. Other agents may have theirs here, too.
    fn entries(&self) -> Vec<Entry> {
        let taken = self.removals.taken();
        let listed = match fs::read_dir(&self.directory) {
            Ok(listed) => listed,
            Err(error) => {
                if error.kind() != ErrorKind::NotFound {
                    tracing::warn!(%error, "cannot read {}", self.directory.display());
                }
                return Vec::new();
            }
        };
        let mut entries: Vec<Entry> = listed
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| is_attempt_directory(path) && !taken.contains(path))
            // Another agent may have removed it meanwhile.
            .filter_map(|path| Entry::at(path).ok())
            .collect();
        entries.sort_by_key(|entry| entry.since);
        entries
    }

    /// What is here and was made by no agent, or by one that did not mark it yet.
    pub(super) fn strange(&self) -> Vec<PathBuf> {
        let listed = fs::read_dir(&self.directory).into_iter().flatten().flatten();
        listed
            .map(|entry| entry.path())
            .filter(|path| !is_attempt_directory(path))
            .collect()
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }
}

impl Entry {
    fn at(path: PathBuf) -> io::Result<Entry> {
        let marker = path.join(MARKER);
        let found = fs::symlink_metadata(&marker)?;
        let noted = (found.len() <= MAX_MARKER_BYTES).then(|| fs::read_to_string(&marker).ok());
        let noted = noted.flatten().and_then(|text| text.trim().parse().ok());
        let bytes = match noted {
            Some(bytes) => bytes,
            None => size::of(&path)?,
        };
        Ok(Entry {
            since: found.modified()?,
            path,
            bytes,
        })
    }
}

/// Makes a marker again that a task has removed, or has put something else in the place of. Without it the directory
/// would stay for ever.
fn mark_again(marker: &Path) -> io::Result<()> {
    match fs::symlink_metadata(marker) {
        Ok(found) if found.is_file() => return Ok(()),
        Ok(_) => remove_tree(marker).map_err(io::Error::other)?,
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    make_marker(marker)
}

/// Writes the size of a kept directory into its marker, which is there at every moment. On a full disk the size is
/// measured again whenever it is asked for.
fn note_size(place: &Path) {
    let written = place.join(NEW_MARKER);
    let noted = size::of(place).and_then(|bytes| {
        // A task may have put anything in its place.
        remove_tree(&written).map_err(io::Error::other)?;
        make_marker(&written)?;
        fs::write(&written, format!("{bytes}\n"))?;
        fs::rename(&written, place.join(MARKER))
    });
    if let Err(error) = noted {
        tracing::debug!(%error, "cannot note the size of {}", place.display());
    }
}

/// A move writes the directory itself, as it names its parent.
fn make_writable(directory: &Path) -> io::Result<()> {
    let permissions = fs::symlink_metadata(directory)?.permissions();
    if permissions.mode() & 0o700 == 0o700 {
        return Ok(());
    }
    fs::set_permissions(directory, Permissions::from_mode(permissions.mode() | 0o700))
}
