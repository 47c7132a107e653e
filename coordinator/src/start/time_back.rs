//! The marker that makes the next start set the time back to the wall clock's, after a wrong clock was believed.
//!
//! A start journals the earlier time, and removes the marker only when that is on disk. When it is killed in between,
//! the next start finds a wall clock that is not behind, and only removes the marker. It has the time at which it was
//! asked for: a machine without a clock that lasts may be started again meanwhile, with a wall clock from long ago.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use swarm_engine::{limits::CLOCK_TOLERANCE, time::Timestamp};
use swarm_program::{exit::Exit, failure::Failure};
use swarm_proto::duration::format_duration;

use crate::machine::disk::{self, FileError};

const NAME: &str = "set-time-back";

/// Asks for it in the data directory `dir`; the marker is on disk when this returns.
///
/// # Errors
///
/// When the file system refuses.
pub(crate) fn ask(dir: &Path, now: Timestamp) -> Result<(), FileError> {
    disk::write_whole(&path(dir), "write the marker", now.0.to_string().as_bytes())
}

/// The time at which it was asked for; `None` when it was not.
///
/// # Errors
///
/// When the file system refuses, or the marker is not one.
pub(crate) fn asked_at(dir: &Path) -> Result<Option<Timestamp>, FileError> {
    let marker = path(dir);
    let failure = FileError::new("read the marker", &marker);
    match fs::read_to_string(&marker) {
        Ok(text) => match text.parse() {
            Ok(ms) => Ok(Some(Timestamp(ms))),
            Err(_) => Err(failure(io::Error::new(
                io::ErrorKind::InvalidData,
                "it has no time",
            ))),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failure(error)),
    }
}

/// Refuses a wall clock that is behind what it was when it was asked for.
///
/// # Errors
///
/// When it is.
pub(crate) fn check_wall(asked: Timestamp, wall: Timestamp) -> Result<(), Failure> {
    if wall + CLOCK_TOLERANCE >= asked {
        return Ok(());
    }
    let behind = format_duration(Duration::from_secs((asked - wall).as_secs()));
    let sentence = format!(
        "cannot set the time back: the clock of this machine is {behind} behind what it was when that was asked for"
    );
    Err(Failure::new(Exit::Configuration, sentence).help("set the clock, then start again"))
}

/// Removes the marker, if there is one: the time is set back, and that is on disk.
///
/// # Errors
///
/// When the file system refuses. The next start tries again.
pub(crate) fn is_set(dir: &Path) -> Result<(), FileError> {
    let marker = path(dir);
    match fs::remove_file(&marker) {
        Ok(()) => disk::sync_directory(dir),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(FileError::new("remove the marker", &marker)(error)),
    }
}

fn path(dir: &Path) -> PathBuf {
    dir.join(NAME)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_marker_has_its_time_and_an_earlier_wall_clock_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(asked_at(dir.path()).unwrap(), None);
        let asked = Timestamp(1_700_000_000_000);
        ask(dir.path(), asked).unwrap();
        assert_eq!(asked_at(dir.path()).unwrap(), Some(asked));
        check_wall(asked, asked).unwrap();
        check_wall(asked, asked + CLOCK_TOLERANCE).unwrap();
        let refused = check_wall(asked, Timestamp(5)).unwrap_err();
        assert!(
            refused.to_string().contains("cannot set the time back"),
            "{refused}"
        );
        is_set(dir.path()).unwrap();
        assert_eq!(asked_at(dir.path()).unwrap(), None);
    }
}
