//! The marker that makes the next start begin a new history.
//!
//! After a loss was accepted or a backup restored, readers may have seen events that are no longer there. The marker
//! holds the id of the new history. A start journals the id, and removes the marker only when the id is on disk. When
//! it is killed in between, the next start finds the id in its state, and only removes the marker.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use swarm_engine::state::Identity;

use crate::machine::{
    disk::{self, FileError},
    random,
};

const NAME: &str = "new-history";

/// Asks for a new history in the data directory `dir`; the marker is on disk when this returns.
///
/// # Errors
///
/// When the file system refuses.
pub(crate) fn ask(dir: &Path) -> Result<(), FileError> {
    disk::write_whole(&path(dir), "write the marker", random::name().as_bytes())
}

/// The history to begin, if there is a marker and the data do not have that history yet.
///
/// # Errors
///
/// When the file system refuses.
pub(crate) fn pending(dir: &Path, identity: Option<&Identity>) -> Result<Option<Arc<str>>, FileError> {
    let marker = path(dir);
    let history: Arc<str> = match fs::read_to_string(&marker) {
        Ok(history) => history.into(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => "".into(),
        Err(error) => return Err(FileError::new("read the marker", &marker)(error)),
    };
    // The marker is written whole. Its contents may have changed since; that it is there counts.
    let is_name = !history.is_empty() && history.chars().all(|letter| letter.is_ascii_alphanumeric());
    let history = if is_name && history.len() <= random::name().len() {
        history
    } else {
        random::name().into()
    };
    let has_begun = identity.is_some_and(|identity| identity.history == history);
    Ok((!has_begun).then_some(history))
}

/// Removes the marker, if there is one: the new history is on disk.
///
/// # Errors
///
/// When the file system refuses. The next start tries again.
pub(crate) fn begun(dir: &Path) -> Result<(), FileError> {
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

    fn identity(history: &str) -> Identity {
        Identity {
            epoch: 3,
            cluster_id: "cluster".into(),
            history: history.into(),
            started: swarm_engine::time::Timestamp(7),
            clocks: None,
        }
    }

    #[test]
    fn a_marker_is_used_once_however_often_the_start_is_killed() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        assert_eq!(pending(dir, None).unwrap(), None);
        begun(dir).unwrap();
        ask(dir).unwrap();
        let before = identity("before");
        let history = pending(dir, Some(&before)).unwrap().unwrap();
        // Killed before it was journaled: the same again.
        assert_eq!(pending(dir, Some(&before)).unwrap(), Some(history.clone()));
        // Killed after that, and before the marker was removed.
        assert_eq!(pending(dir, Some(&identity(&history))).unwrap(), None);
        begun(dir).unwrap();
        assert_eq!(fs::read_dir(dir).unwrap().count(), 0);
    }

    #[test]
    fn a_marker_with_other_contents_still_means_a_new_history() {
        let dir = tempfile::tempdir().unwrap();
        for contents in [&b""[..], b"\xFF\xFE", b"two words", &[b'x'; 1000]] {
            fs::write(path(dir.path()), contents).unwrap();
            let history = pending(dir.path(), Some(&identity("before"))).unwrap().unwrap();
            assert_eq!(history.len(), random::name().len());
        }
    }
}
