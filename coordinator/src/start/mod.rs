//! A start: journal and store are opened, the state is brought to the journal's end, and then everything runs.
//!
//! The store says how things were after some event, and the journal has the events since. `base` sees to it that there
//! is a store to go on from.

pub(crate) mod base;
pub(crate) mod catch_up;
pub(crate) mod failures;
pub(crate) mod found;
pub(crate) mod new_history;
mod origin;
pub(crate) mod restoring;
pub(crate) mod running;
pub(crate) mod time_back;

use std::sync::Arc;

use swarm_engine::{id::Seq, state::State, time::Timestamp};
use swarm_program::{exit::Exit, failure::Failure};

use self::{
    catch_up::{catch_up, recall_missing},
    found::StoreFound,
};
use crate::{
    journal::{self, Journal},
    machine::data_dir::DataDir,
    program::failure::chain,
    store::{Store, closing},
};

/// The data as they were left, ready to go on.
pub(crate) struct Opened {
    pub(crate) state: State,
    pub(crate) journal: Journal,
    pub(crate) store: Store,
    /// The history to begin, if the one so far must not go on.
    pub(crate) new_history: Option<Arc<str>>,
    /// When the operator asked for the time to be set back to the wall clock's.
    pub(crate) sets_time_back: Option<Timestamp>,
}

/// Opens the data directory.
///
/// # Errors
///
/// When the journal is damaged or ends before what was acknowledged, or the disk refuses.
pub(crate) fn open(dir: &DataDir) -> Result<Opened, Failure> {
    open_with(dir, journal::Options::default())
}

/// The same with another layout of the journal.
///
/// # Errors
///
/// As `open`.
pub(crate) fn open_with(dir: &DataDir, options: journal::Options) -> Result<Opened, Failure> {
    restoring::check(dir)?;
    let snapshots = base::snapshots(&dir.snapshots())?;
    let found = StoreFound::open(&dir.store())?;
    let floor = base::floor(&snapshots, &found);
    let journal::Opened { journal, torn, notes } =
        Journal::open(&dir.journal(), options, floor).map_err(|error| failures::of_journal(&error))?;
    for note in notes {
        tracing::warn!("{note}");
    }
    if let Some(torn) = torn {
        tracing::warn!("{torn}; nobody had been told of it");
    }
    let last = journal.last_seq();
    let (store, mut state) = base::choose(&dir.store(), found, &snapshots, &journal.reader(), last)?;
    closing::open(&dir.store()).map_err(|error| failures::of_closing(&error))?;
    catch_up(&mut state, &journal.reader(), Seq(last), &store)?;
    recall_missing(&mut state, &store)?;
    let new_history = new_history::pending(dir.path(), state.identity()).map_err(|error| {
        Failure::new(Exit::Disk, chain(&error)).help("look at the disk, then start again")
    })?;
    let sets_time_back = time_back::asked_at(dir.path()).map_err(|error| {
        Failure::new(Exit::Disk, chain(&error)).help("ask for it again with coordinator repair")
    })?;
    Ok(Opened {
        new_history,
        sets_time_back,
        state,
        journal,
        store,
    })
}
