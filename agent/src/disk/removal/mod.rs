//! Removes what an attempt left, with everything in it, and nothing else.
//!
//! A task may leave a mount of its owner's data, links, a tree of any depth, directories that not even their owner may
//! read, and processes that go on changing all of it. So a removal goes down by descriptors, one name at a time. It
//! never goes into anything mounted or through a link, keeps a bounded number of directories open, and names what it
//! leaves, with the reason.

mod below;
mod flags;
mod left;

use std::{
    collections::BTreeSet,
    ffi::{CStr, CString},
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rustix::{
    fd::{AsFd as _, BorrowedFd, OwnedFd},
    fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat, fchmod, fstat, openat, unlinkat},
    io::Errno,
};

#[cfg(target_os = "linux")]
pub(crate) use self::below::{open_file_below, tells_mounts};
use self::flags::{DIRECTORY, NEW_FILE, OWN};
pub(crate) use self::{
    below::{open_below, stat_below},
    left::Left,
};

/// The file that says that an attempt's directory was made by an agent. It goes last, so that a directory of which
/// something is left is still known.
pub(crate) const MARKER: &str = ".swarm-attempt";

/// Directories that are open at a time. The ones above them are opened again on the way up.
const MAX_OPEN: usize = 32;
/// Levels of a tree: each takes some hundred bytes of memory.
const MAX_DEPTH: usize = 1_000_000;
/// Entries of one directory that cannot be removed. After so many the rest of it is left.
const MAX_LEFT_IN_ONE: usize = 1000;
/// How often a directory is read again that still has entries after the removal of all that were read.
const MAX_REREADS: u32 = 3;
/// A removal that takes longer has somebody who makes new files all the time.
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// Removes a file, or a directory with everything in it, even where a task has made it read-only. What is not there is
/// removed already.
///
/// # Errors
///
/// What is left, and why.
pub(crate) fn remove_tree(path: &Path) -> Result<(), Left> {
    let mut left = Left::default();
    match begin(path) {
        Ok((parent, name)) => Removal::new(path, &mut left).run(parent, name),
        Err(Errno::NOENT) => {}
        Err(errno) => left.note(path.to_owned(), errno),
    }
    left.into_result()
}

/// Opens the directory of a path, which belongs to no task.
fn begin(path: &Path) -> Result<(OwnedFd, CString), Errno> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(Errno::INVAL);
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let name = CString::new(name.as_bytes()).map_err(|_| Errno::INVAL)?;
    Ok((openat(CWD, parent, flags, Mode::empty())?, name))
}

/// One removal: the directories between its top and the place where it is.
struct Removal<'a> {
    top: &'a Path,
    levels: Vec<Level>,
    left: &'a mut Left,
    until: Instant,
}

/// A directory whose entries are being removed.
struct Level {
    name: CString,
    identity: Identity,
    /// `None` while too many directories below it are open.
    directory: Option<Dir>,
    /// The entries that cannot be removed.
    left: BTreeSet<CString>,
    rereads: u32,
}

/// Tells a directory from all others that exist.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Identity(u64, u64);

impl Identity {
    fn of(found: &Stat) -> Identity {
        #[expect(
            clippy::unnecessary_cast,
            reason = "the types of these numbers differ between systems"
        )]
        Identity(found.st_dev as u64, found.st_ino as u64)
    }
}

/// What becomes of one entry.
enum Step {
    Gone,
    /// A directory that is to be emptied first.
    Into(OwnedFd),
    Stays(Errno),
}

impl<'a> Removal<'a> {
    fn new(top: &'a Path, left: &'a mut Left) -> Removal<'a> {
        Removal {
            top,
            levels: Vec::new(),
            left,
            until: Instant::now() + LONGEST,
        }
    }

    /// Removes the entry with this name of `parent`.
    fn run(mut self, parent: OwnedFd, name: CString) {
        match step(parent.as_fd(), &name, FileType::Unknown) {
            Step::Gone => return,
            Step::Stays(errno) => return self.left.note(self.top.to_owned(), errno),
            Step::Into(directory) => {
                if let Err(errno) = self.enter(name, directory) {
                    return self.left.note(self.top.to_owned(), errno);
                }
            }
        }
        // The work is done when the top is gone, or when it is clear that it stays.
        while !self.levels.is_empty() {
            if Instant::now() > self.until {
                return self.left.note(self.top.to_owned(), Errno::TIMEDOUT);
            }
            let gone_on = match self.next_entry() {
                Some((name, kind)) => self.take(name, kind),
                None => self.leave(&parent),
            };
            if let Err(errno) = gone_on {
                return self.left.note(self.place(None), errno);
            }
        }
    }

    /// The next entry of the innermost directory that may be removed.
    fn next_entry(&mut self) -> Option<(CString, FileType)> {
        let is_top = self.levels.len() == 1;
        let level = self.levels.last_mut()?;
        if level.left.len() >= MAX_LEFT_IN_ONE {
            return None;
        }
        // An entry that cannot be read ends the reading, and the directory is not empty then.
        while let Some(Ok(entry)) = level.directory.as_mut()?.read() {
            let name = entry.file_name();
            let is_marker = is_top && name.to_bytes() == MARKER.as_bytes();
            if name != c"." && name != c".." && !is_marker && !level.left.contains(name) {
                return Some((name.to_owned(), entry.file_type()));
            }
        }
        None
    }

    /// Removes one entry of the innermost directory, or goes into it.
    fn take(&mut self, name: CString, kind: FileType) -> Result<(), Errno> {
        let stepped = match self.innermost() {
            Some(directory) => step(directory.fd()?, &name, kind),
            None => return Err(Errno::BADF),
        };
        let entered = match stepped {
            Step::Gone => return Ok(()),
            Step::Stays(errno) => Err(errno),
            Step::Into(_) if self.levels.len() >= MAX_DEPTH => Err(Errno::NAMETOOLONG),
            Step::Into(directory) => self.enter(name.clone(), directory),
        };
        if let Err(errno) = entered {
            self.left.note(self.place(Some(&name)), errno);
            self.stays(name);
        }
        Ok(())
    }

    /// Goes into a directory.
    fn enter(&mut self, name: CString, directory: OwnedFd) -> Result<(), Errno> {
        let found = fstat(&directory)?;
        let mode = Mode::from_raw_mode(found.st_mode);
        if !mode.contains(OWN) {
            // Of another user's directory the first entry says that it stays.
            let _ = fchmod(&directory, mode | OWN);
        }
        let level = Level {
            name,
            identity: Identity::of(&found),
            directory: Some(Dir::new(directory)?),
            left: BTreeSet::new(),
            rereads: 0,
        };
        self.levels.push(level);
        if let Some(above) = self.levels.len().checked_sub(MAX_OPEN + 1) {
            self.levels[above].directory = None;
        }
        Ok(())
    }

    /// Removes the innermost directory, which was read to its end, and goes up.
    fn leave(&mut self, parent: &OwnedFd) -> Result<(), Errno> {
        self.open_above()?;
        let Some(mut level) = self.levels.pop() else {
            return Ok(());
        };
        if !level.left.is_empty() {
            // The reasons are noted already.
            self.stays(level.name);
            return Ok(());
        }
        let removed = match self.innermost() {
            Some(above) => unlinkat(above.fd()?, &level.name, AtFlags::REMOVEDIR),
            None => remove_marked(parent, &level),
        };
        match removed {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(Errno::NOTEMPTY | Errno::EXIST) if level.rereads < MAX_REREADS => {
                level.rereads += 1;
                if let Some(directory) = &mut level.directory {
                    directory.rewind();
                }
                self.levels.push(level);
            }
            Err(errno) => {
                self.left.note(self.place(Some(&level.name)), errno);
                self.stays(level.name);
            }
        }
        Ok(())
    }

    /// Opens the directory above the innermost one, if it was closed.
    fn open_above(&mut self) -> Result<(), Errno> {
        let [.., above, level] = self.levels.as_mut_slice() else {
            return Ok(());
        };
        if above.directory.is_some() {
            return Ok(());
        }
        let Some(directory) = &level.directory else {
            return Err(Errno::BADF);
        };
        let opened = openat(directory.fd()?, c"..", DIRECTORY, Mode::empty())?;
        // Somebody may have moved the inner directory elsewhere.
        if Identity::of(&fstat(&opened)?) != above.identity {
            return Err(Errno::STALE);
        }
        above.directory = Some(Dir::new(opened)?);
        Ok(())
    }

    fn innermost(&self) -> Option<&Dir> {
        self.levels.last()?.directory.as_ref()
    }

    /// Notes that an entry of the innermost directory stays.
    fn stays(&mut self, name: CString) {
        if let Some(level) = self.levels.last_mut() {
            level.left.insert(name);
        }
    }

    /// The path of the innermost directory, or of an entry in it.
    fn place(&self, entry: Option<&CStr>) -> PathBuf {
        let names = self.levels.iter().skip(1).map(|level| level.name.as_c_str());
        // Without levels the entry is the top itself.
        let entry = entry.filter(|_| !self.levels.is_empty());
        left::path_of(self.top, names.chain(entry))
    }
}

/// Removes a directory in which at most the marker is left. A directory that fills up meanwhile gets it again.
fn remove_marked(parent: &OwnedFd, level: &Level) -> Result<(), Errno> {
    let Some(directory) = &level.directory else {
        return Err(Errno::BADF);
    };
    let is_marked = unlinkat(directory.fd()?, MARKER, AtFlags::empty()).is_ok();
    let removed = unlinkat(parent, &level.name, AtFlags::REMOVEDIR);
    if is_marked && removed.is_err() {
        let _ = openat(directory.fd()?, MARKER, NEW_FILE, Mode::RUSR | Mode::WUSR);
    }
    removed
}

/// Removes an entry, unless it is a directory. A directory is opened.
fn step(parent: BorrowedFd<'_>, name: &CStr, kind: FileType) -> Step {
    if kind != FileType::Directory {
        match unlinkat(parent, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => return Step::Gone,
            // Linux says ISDIR of a directory, and other systems PERM.
            Err(Errno::ISDIR | Errno::PERM) => {}
            Err(errno) => return Step::Stays(errno),
        }
    }
    match open_below(parent, name) {
        Ok(directory) => Step::Into(directory),
        Err(Errno::NOENT) => Step::Gone,
        // No directory any more, or a file that may not be removed.
        Err(Errno::NOTDIR | Errno::LOOP) => unlink(parent, name, AtFlags::empty()),
        // Another user's directory may be empty.
        Err(errno @ (Errno::ACCESS | Errno::PERM)) => match unlink(parent, name, AtFlags::REMOVEDIR) {
            Step::Gone => Step::Gone,
            _ => Step::Stays(errno),
        },
        Err(errno) => Step::Stays(errno),
    }
}

fn unlink(parent: BorrowedFd<'_>, name: &CStr, flags: AtFlags) -> Step {
    match unlinkat(parent, name, flags) {
        Ok(()) | Err(Errno::NOENT) => Step::Gone,
        Err(errno) => Step::Stays(errno),
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests;
