//! The marker that makes the next start set the time back to the wall clock's, after a wrong clock was believed.
//!
//! It has the time at which it was asked for: a machine without a clock that lasts may be started again meanwhile, with
//! a wall clock from long ago. A start that finds the time set back already, and the marker left, finds a wall clock
//! that is not behind.

use std::{io, path::Path, time::Duration};

use swarm_engine::{limits::CLOCK_TOLERANCE, time::Timestamp};
use swarm_program::{exit::Exit, failure::Failure};
use swarm_proto::duration::format_duration;

use crate::machine::{disk::FileError, marker::Marker};

/// The marker in the data directory `dir`.
pub(crate) fn marker(dir: &Path) -> Marker {
    Marker::of(dir, "set-time-back")
}

/// Asks for it; the marker is on disk when this returns.
///
/// # Errors
///
/// When the file system refuses.
pub(crate) fn ask(dir: &Path, now: Timestamp) -> Result<(), FileError> {
    marker(dir).write(&now.0.to_string())
}

/// The time at which it was asked for; `None` when it was not.
///
/// # Errors
///
/// When the file system refuses, or the marker is not one.
pub(crate) fn asked_at(dir: &Path) -> Result<Option<Timestamp>, FileError> {
    let marker = marker(dir);
    let Some(contents) = marker.read()? else {
        return Ok(None);
    };
    let time = str::from_utf8(&contents).ok().and_then(|text| text.parse().ok());
    let time = time.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "it has no time"));
    time.map(|ms| Some(Timestamp(ms)))
        .map_err(FileError::new("read the marker", marker.path()))
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
        marker(dir.path()).write("soon").unwrap();
        assert!(asked_at(dir.path()).is_err());
    }
}
