//! What a removal left, and why.

use std::{
    ffi::{CStr, OsStr},
    fmt::{self, Write as _},
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use rustix::io::Errno;

/// Entries that are named. The others are counted.
const MAX_NAMED: usize = 5;
/// Levels of a path that are shown: a task can make a tree of any depth.
const MAX_SHOWN_LEVELS: usize = 32;

/// The entries that a removal left.
#[derive(Debug, Default)]
pub(crate) struct Left {
    named: Vec<(PathBuf, Errno)>,
    others: u64,
}

impl Left {
    pub(super) fn note(&mut self, place: PathBuf, why: Errno) {
        if self.named.len() < MAX_NAMED {
            self.named.push((place, why));
        } else {
            self.others += 1;
        }
    }

    pub(super) fn into_result(self) -> Result<(), Left> {
        if self.named.is_empty() { Ok(()) } else { Err(self) }
    }
}

impl std::error::Error for Left {}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut between = "";
        for (place, why) in &self.named {
            // Names are the task's, so control characters are escaped.
            write!(f, "{between}{place:?} is left: {}", reason(*why))?;
            between = "; ";
        }
        match self.others {
            0 => Ok(()),
            others => write!(f, "; and {others} more"),
        }
    }
}

fn reason(why: Errno) -> String {
    match why {
        Errno::XDEV | Errno::BUSY => "something is mounted there".to_owned(),
        Errno::NOTSUP => "this system does not say whether something is mounted there".to_owned(),
        Errno::STALE => "it was moved while it was removed".to_owned(),
        Errno::TIMEDOUT => "its removal took too long".to_owned(),
        Errno::NOTEMPTY | Errno::EXIST => "somebody still makes files in it".to_owned(),
        Errno::NAMETOOLONG => "it is too deep".to_owned(),
        other => {
            let mut text = String::new();
            let _ = write!(text, "{other}");
            text
        }
    }
}

/// The path of an entry below `top`, without the levels that are too many to show.
pub(super) fn path_of<'a>(top: &Path, names: impl Iterator<Item = &'a CStr>) -> PathBuf {
    let mut path = top.to_owned();
    for (level, name) in names.enumerate() {
        if level == MAX_SHOWN_LEVELS {
            path.push("…");
            break;
        }
        path.push(OsStr::from_bytes(name.to_bytes()));
    }
    path
}
