//! The store onto which a start replays the journal: the one that was found, one restored from a snapshot, or an empty
//! one.
//!
//! The store is looked at first, then the journal is opened, and only then is anything set aside: a journal that has
//! lost something is refused before the store, which may prove the loss, is touched. A store is set aside by its name
//! alone, and a restored one gets its name when it is whole; so a start that is killed anywhere is simply begun again.

use std::{fs, path::Path};

use swarm_engine::state::State;
use swarm_program::{exit::Exit, failure::Failure};

use super::{failures, found::StoreFound, origin};
use crate::{
    journal,
    machine::disk,
    program::failure::chain,
    records::{LAYOUT, load},
    snapshot::{self, Snapshot, SnapshotError},
    store::Store,
};

/// A store with its state.
type Base = (Store, State);

/// The snapshots of a data directory that can be used, the newest first.
///
/// # Errors
///
/// When one is from a newer coordinator, or the disk refuses.
pub(crate) fn snapshots(dir: &Path) -> Result<Vec<Snapshot>, Failure> {
    snapshot::usable(dir).map_err(|error| failures::of_snapshot(&error))
}

/// What snapshots and store say about the journal's end.
pub(crate) fn floor(snapshots: &[Snapshot], found: &StoreFound) -> journal::Floor {
    let newest = snapshots.first().map(Snapshot::origin);
    journal::Floor {
        snapshot_seq: newest.map_or(0, |origin| origin.seq),
        snapshot_chain: newest.and_then(|origin| origin.chain),
        store_seq: found.applied_seq(),
    }
}

/// A store onto which the journal, whose last seq is `last`, can be replayed: the one that was found, if it serves.
///
/// # Errors
///
/// When neither the store nor a snapshot serves, or the disk refuses.
pub(crate) fn choose(
    dir: &Path,
    found: StoreFound,
    snapshots: &[Snapshot],
    journal: &journal::Reader,
    last: u64,
) -> Result<Base, Failure> {
    let oldest = journal.oldest_seq();
    let why = match found {
        StoreFound::Intact(store, state) => match misfit(&store, &state, snapshots, journal, last)? {
            None => return Ok((store, *state)),
            Some(why) => why,
        },
        StoreFound::Damaged(damage) => damage,
        StoreFound::Missing => {
            if last > 0 {
                tracing::warn!("there is no store {}: building it anew", dir.display());
            } else if snapshots.is_empty() {
                let data = dir.parent().unwrap_or(dir);
                tracing::warn!(
                    "there are no data of a coordinator in {}: beginning with none",
                    data.display()
                );
            }
            return build(dir, snapshots, oldest);
        }
    };
    check_replaceable(&why, snapshots, oldest)?;
    set_aside(dir)?;
    tracing::warn!(
        error = why,
        "the store is set aside as {}, and built anew",
        dir.with_extension("set-aside").display()
    );
    build(dir, snapshots, oldest)
}

/// Why the journal cannot be replayed onto this store, if it cannot.
fn misfit(
    store: &Store,
    state: &State,
    snapshots: &[Snapshot],
    journal: &journal::Reader,
    last: u64,
) -> Result<Option<String>, Failure> {
    let (end, oldest) = (store.applied_seq(), journal.oldest_seq());
    if end + 1 < oldest {
        return Ok(Some(format!(
            "the store ends with seq {end}, and the journal begins with seq {oldest}"
        )));
    }
    if origin::is_of(store, state, snapshots, journal, last)? {
        return Ok(None);
    }
    Ok(Some(format!(
        "the store in {} is of another history than the journal",
        store.dir().display()
    )))
}

/// Gives the store a name that says that it is set aside. The one that was set aside before is removed.
///
/// # Errors
///
/// When the file system refuses.
pub(crate) fn set_aside(dir: &Path) -> Result<(), Failure> {
    let aside = dir.with_extension("set-aside");
    let moved = disk::remove_directory(&aside)
        .and_then(|()| fs::rename(dir, &aside))
        .and_then(|()| Ok(dir.parent().map_or(Ok(()), disk::sync_directory)?));
    moved.map_err(|error| {
        Failure::new(
            Exit::Disk,
            format!("cannot set the store {} aside: {}", dir.display(), chain(&error)),
        )
        .help("move it away by hand and start again: it is rebuilt from snapshot and journal")
    })
}

/// Refuses to set a store aside that could not be built anew.
fn check_replaceable(why: &str, snapshots: &[Snapshot], oldest: u64) -> Result<(), Failure> {
    let serves = |snapshot: &Snapshot| snapshot.origin().seq + 1 >= oldest;
    if oldest <= 1 || snapshots.iter().any(serves) {
        return Ok(());
    }
    Err(nothing_serves(&format!("{why}, and "), oldest))
}

/// Restores the newest snapshot that serves, or begins with nothing.
fn build(dir: &Path, snapshots: &[Snapshot], oldest: u64) -> Result<Base, Failure> {
    for snapshot in snapshots {
        if snapshot.origin().seq + 1 < oldest {
            break;
        }
        match restore(snapshot, dir)? {
            Ok(base) => return Ok(base),
            Err(damage) => {
                tracing::warn!(
                    error = damage,
                    "cannot use the snapshot {}",
                    snapshot.path().display()
                );
            }
        }
    }
    if oldest > 1 {
        return Err(nothing_serves("", oldest));
    }
    let store = Store::open(dir, &LAYOUT).map_err(|error| failures::of_store(&error))?;
    store.was_read();
    Ok((store, State::default()))
}

/// The restored store, or the snapshot's damage.
fn restore(snapshot: &Snapshot, dir: &Path) -> Result<Result<Base, String>, Failure> {
    let store = match snapshot.restore(dir, &LAYOUT) {
        Ok(store) => store,
        Err(error @ SnapshotError::Damaged { .. }) => return Ok(Err(chain(&error))),
        Err(error) => return Err(failures::of_snapshot(&error)),
    };
    store.was_read();
    match load(&store) {
        Ok(state) => {
            tracing::info!(
                "restored {} records from {}",
                snapshot.count(),
                snapshot.path().display()
            );
            Ok(Ok((store, state)))
        }
        Err(damage) => {
            drop(store);
            disk::remove_directory(dir).map_err(|error| {
                let sentence = format!("cannot remove the useless store {}: {error}", dir.display());
                Failure::new(Exit::Disk, sentence).help("remove it by hand and start again")
            })?;
            Ok(Err(damage))
        }
    }
}

fn nothing_serves(before: &str, oldest: u64) -> Failure {
    Failure::new(
        Exit::Disk,
        format!("{before}there is no snapshot of what was before seq {oldest}, where the journal begins"),
    )
    .help("restore the data directory from a backup: 'coordinator restore BACKUP'")
}

#[cfg(test)]
mod figures;
#[cfg(test)]
mod tests;
