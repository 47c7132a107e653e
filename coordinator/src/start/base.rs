//! What the journal is replayed onto at a start: the store as it was left, one restored
//! from a snapshot, or an empty one.
//!
//! The store is looked at first, then the journal is opened, and only then is anything
//! set aside: a journal that has lost something is refused before the store, which may
//! prove it, is touched. A store is set aside by its name alone, and a restored one gets
//! its name when it is whole; so a start that is killed anywhere is simply begun again.

mod origin;

use std::{fs, path::Path};

use swarm_engine::state::State;
use swarm_program::{exit::Exit, failure::Failure};

use crate::{
    journal,
    machine::disk::{self, FileError},
    program::failure::chain,
    records::{LAYOUT, load},
    snapshot::{self, Snapshot, SnapshotError},
    store::{
        self, Store,
        closing::{self, Left},
        probe::{Depth, Health, probe},
    },
};

/// The store of a data directory as it was found.
pub(crate) enum StoreFound {
    /// It can be read, all of it or as much as a start needs: `Store::is_read` says which.
    Intact(Store, Box<State>),
    /// There is none.
    Missing,
    /// It cannot be read; the sentence says why.
    Damaged(String),
}

impl StoreFound {
    fn applied_seq(&self) -> u64 {
        match self {
            StoreFound::Intact(store, _) => store.applied_seq(),
            StoreFound::Missing | StoreFound::Damaged(_) => 0,
        }
    }
}

/// The snapshots of a data directory that can be used, the newest first.
///
/// # Errors
///
/// When one is from a newer coordinator, or the disk refuses.
pub(crate) fn snapshots(dir: &Path) -> Result<Vec<Snapshot>, Failure> {
    snapshot::usable(dir).map_err(|error| snapshot_failure(&error))
}

/// Opens and reads the store, and changes nothing when it is damaged.
///
/// # Errors
///
/// When another process has it open, or the disk refuses.
pub(crate) fn find(dir: &Path) -> Result<StoreFound, Failure> {
    find_by(dir, None)
}

/// As [`find`], but all of it is read, however it was left: for those who remove something because of what it has.
///
/// # Errors
///
/// As [`find`].
pub(crate) fn find_whole(dir: &Path) -> Result<StoreFound, Failure> {
    find_by(dir, Some(Depth::Everything))
}

fn find_by(dir: &Path, asked: Option<Depth>) -> Result<StoreFound, Failure> {
    if !dir.exists() {
        return Ok(StoreFound::Missing);
    }
    let left = closing::left(dir);
    let depth = match &left {
        Left::Closed(_) | Left::Killed => asked.unwrap_or(Depth::Sample),
        Left::Unknown(why) => {
            tracing::info!(reason = %why, "reading the whole store before serving");
            Depth::Everything
        }
    };
    if depth == Depth::Sample {
        // From here on sled writes to its files.
        closing::open(dir).map_err(|error| seal_failure(&error))?;
    }
    let health = probe(dir, depth).map_err(|error| {
        Failure::new(
            Exit::Bug,
            format!("cannot start a process that looks at the store: {error}"),
        )
        .help("look at the limits on processes and memory, then start the coordinator again")
    })?;
    match health {
        Health::Intact => {}
        Health::Damaged(damage) => {
            return Ok(StoreFound::Damaged(format!(
                "the store in {} is damaged: {damage}",
                dir.display()
            )));
        }
        Health::InUse(why) => {
            let help = "end the process that has it open, then start the coordinator again";
            return Err(Failure::new(Exit::Refused, why).help(help));
        }
        Health::NoSpace(why) => {
            let help = "make room on the disk, then start the coordinator again; nothing is lost";
            return Err(Failure::new(Exit::Disk, why).help(help));
        }
    }
    match Store::open(dir, &LAYOUT) {
        Ok(store) => {
            if let Left::Closed(contents) = left
                && store.contents().ok() != Some(contents)
            {
                let dir = dir.display();
                return Ok(StoreFound::Damaged(format!(
                    "the store in {dir} is not what it was when it was closed"
                )));
            }
            if depth == Depth::Everything {
                store.was_read();
            }
            Ok(match load(&store) {
                Ok(state) => StoreFound::Intact(store, Box::new(state)),
                Err(damage) => StoreFound::Damaged(damage),
            })
        }
        Err(error @ store::OpenError::Damaged { .. }) => Ok(StoreFound::Damaged(chain(&error))),
        Err(error) => Err(store_failure(&error)),
    }
}

/// What is known beside the journal.
pub(crate) fn floor(snapshots: &[Snapshot], found: &StoreFound) -> journal::Floor {
    let newest = snapshots.first().map(Snapshot::origin);
    journal::Floor {
        snapshot_seq: newest.map_or(0, |origin| origin.seq),
        snapshot_chain: newest.and_then(|origin| origin.chain),
        store_seq: found.applied_seq(),
    }
}

/// A store, with its state, that the journal can be replayed onto, which ends with seq `last`: the one that
/// was found, if it serves.
///
/// # Errors
///
/// When there is none and no snapshot serves either, or the disk refuses.
pub(crate) fn choose(
    dir: &Path,
    found: StoreFound,
    snapshots: &[Snapshot],
    journal: &journal::Reader,
    last: u64,
) -> Result<(Store, State), Failure> {
    let oldest = journal.oldest_seq();
    match found {
        StoreFound::Intact(store, state) if store.applied_seq() + 1 >= oldest => {
            if origin::is_of(&store, &state, snapshots, journal, last)? {
                return Ok((store, *state));
            }
            drop(store);
            let why = format!(
                "the store in {} is of another history than the journal",
                dir.display()
            );
            replace(dir, &why, snapshots, oldest)
        }
        StoreFound::Intact(store, _) => {
            let end = store.applied_seq();
            drop(store);
            replace(
                dir,
                &format!("the store ends with seq {end}, and the journal begins with seq {oldest}"),
                snapshots,
                oldest,
            )
        }
        StoreFound::Damaged(damage) => replace(dir, &damage, snapshots, oldest),
        StoreFound::Missing => {
            if last > 0 {
                tracing::warn!("there is no store {}: building it anew", dir.display());
            }
            build(dir, snapshots, oldest)
        }
    }
}

/// Puts the store out of the way, under a name that says so. The one set aside before goes.
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

fn replace(dir: &Path, why: &str, snapshots: &[Snapshot], oldest: u64) -> Result<(Store, State), Failure> {
    check_replaceable(why, snapshots, oldest)?;
    set_aside(dir)?;
    tracing::warn!(
        error = why,
        "the store is set aside as {}, and built anew",
        dir.with_extension("set-aside").display()
    );
    build(dir, snapshots, oldest)
}

/// Nothing is set aside that could not be built again.
fn check_replaceable(why: &str, snapshots: &[Snapshot], oldest: u64) -> Result<(), Failure> {
    let serves = |snapshot: &Snapshot| snapshot.origin().seq + 1 >= oldest;
    if oldest <= 1 || snapshots.iter().any(serves) {
        return Ok(());
    }
    Err(nothing_serves(&format!("{why}, and "), oldest))
}

/// Restores the newest snapshot that serves, or begins with nothing.
fn build(dir: &Path, snapshots: &[Snapshot], oldest: u64) -> Result<(Store, State), Failure> {
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
    let store = Store::open(dir, &LAYOUT).map_err(|error| store_failure(&error))?;
    store.was_read();
    Ok((store, State::default()))
}

/// The restored store, or what is wrong with the snapshot.
fn restore(snapshot: &Snapshot, dir: &Path) -> Result<Result<(Store, State), String>, Failure> {
    let store = match snapshot.restore(dir, &LAYOUT) {
        Ok(store) => store,
        Err(error @ SnapshotError::Damaged { .. }) => return Ok(Err(chain(&error))),
        Err(error) => return Err(snapshot_failure(&error)),
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

/// A failure to open the store that building it anew does not mend.
pub(crate) fn store_failure(error: &store::OpenError) -> Failure {
    Failure::new(Exit::Disk, chain(error)).help("look at the disk, then start the coordinator again")
}

/// A failure to note how the store is left.
pub(crate) fn seal_failure(error: &FileError) -> Failure {
    let help =
        "make room on the disk and look at its state, then start the coordinator again; nothing is lost";
    Failure::new(Exit::Disk, chain(error)).help(help)
}

/// A failure to read a snapshot that an older one does not mend.
pub(crate) fn snapshot_failure(error: &SnapshotError) -> Failure {
    let (exit, help) = match error {
        SnapshotError::UnknownVersion { .. } => (
            Exit::Refused,
            "start the coordinator version that wrote this directory, or a newer one",
        ),
        _ => (
            Exit::Disk,
            "make room on the disk and look at its state, then start the coordinator again; nothing is lost",
        ),
    };
    Failure::new(exit, chain(error)).help(help)
}

#[cfg(test)]
mod figures;
#[cfg(test)]
mod tests;
