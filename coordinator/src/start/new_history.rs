//! The marker that makes the next start begin a new history.
//!
//! After a loss was accepted or a backup restored, readers may have seen events that are no longer there. The marker
//! holds the id of the new history, so that a start finds whether that has begun.

use std::{path::Path, sync::Arc};

use swarm_engine::state::Identity;

use crate::machine::{disk::FileError, marker::Marker, random};

/// The marker in the data directory `dir`.
pub(crate) fn marker(dir: &Path) -> Marker {
    Marker::of(dir, "new-history")
}

/// Asks for a new history; the marker is on disk when this returns.
///
/// # Errors
///
/// When the file system refuses.
pub(crate) fn ask(dir: &Path) -> Result<(), FileError> {
    marker(dir).write(&random::name())
}

/// The history to begin, if there is a marker and the data do not have that history yet.
///
/// # Errors
///
/// When the file system refuses.
pub(crate) fn pending(dir: &Path, identity: Option<&Identity>) -> Result<Option<Arc<str>>, FileError> {
    let Some(contents) = marker(dir).read()? else {
        return Ok(None);
    };
    let history: Arc<str> = str::from_utf8(&contents).unwrap_or_default().into();
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

#[cfg(test)]
mod tests {
    use std::fs;

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
        ask(dir).unwrap();
        let before = identity("before");
        let history = pending(dir, Some(&before)).unwrap().unwrap();
        // Killed before it was journaled: the same again.
        assert_eq!(pending(dir, Some(&before)).unwrap(), Some(history.clone()));
        // Killed after that, and before the marker was removed.
        assert_eq!(pending(dir, Some(&identity(&history))).unwrap(), None);
    }

    #[test]
    fn a_marker_with_other_contents_still_means_a_new_history() {
        let dir = tempfile::tempdir().unwrap();
        for contents in [&b""[..], b"\xFF\xFE", b"two words", &[b'x'; 1000]] {
            fs::write(marker(dir.path()).path(), contents).unwrap();
            let history = pending(dir.path(), Some(&identity("before"))).unwrap().unwrap();
            assert_eq!(history.len(), random::name().len());
        }
    }
}
