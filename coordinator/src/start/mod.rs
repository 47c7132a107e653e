//! Start-up: journal and store are opened, and the state is brought to the journal's end.
//!
//! The store says how things were after some event; the journal has the events
//! since. `base` sees to it that there is a store to go on from.

pub(crate) mod base;
pub(crate) mod new_history;
pub(crate) mod restoring;
pub(crate) mod running;

use std::sync::Arc;

use swarm_engine::{
    draft::replay,
    id::{Seq, TaskId},
    noun::task::Task,
    state::State,
};
use swarm_program::{exit::Exit, failure::Failure};

use crate::{
    core::view::View,
    journal::{self, Journal},
    machine::data_dir::DataDir,
    program::{
        failure::chain,
        limits::{PAGE_BYTES, PAGE_EVENTS},
    },
    records::{
        Entry,
        task::find::{self, FindError},
    },
    store::{self, Store, closing},
    stored,
};

/// Tasks read from the store at a time: even the largest stay below what `find::tasks` gives at once.
const RECALL_STEP: usize = 256;

/// The data as they were left, ready to go on.
pub(crate) struct Opened {
    pub(crate) state: State,
    pub(crate) journal: Journal,
    pub(crate) store: Store,
    /// The history to begin, if the one so far must not go on.
    pub(crate) new_history: Option<Arc<str>>,
}

/// Opens what the data directory holds.
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
    let found = base::find(&dir.store())?;
    let floor = base::floor(&snapshots, &found);
    let journal::Opened { journal, torn, notes } =
        Journal::open(&dir.journal(), options, floor).map_err(|error| journal_failure(&error))?;
    for note in notes {
        tracing::warn!("{note}");
    }
    if let Some(torn) = torn {
        tracing::warn!("{torn}; nobody had been told of it");
    }
    let last = journal.last_seq();
    let (store, mut state) = base::choose(&dir.store(), found, &snapshots, &journal.reader(), last)?;
    closing::open(&dir.store()).map_err(|error| base::seal_failure(&error))?;
    catch_up(&mut state, &journal.reader(), Seq(last), &store)?;
    recall_missing(&mut state, &store)?;
    let new_history = new_history::pending(dir.path(), state.identity()).map_err(|error| {
        Failure::new(Exit::Disk, chain(&error)).help("look at the disk, then start again")
    })?;
    Ok(Opened {
        new_history,
        state,
        journal,
        store,
    })
}

/// Why a journal cannot be opened, and what to do about it.
pub(crate) fn journal_failure(error: &journal::OpenError) -> Failure {
    let exit = match error {
        journal::OpenError::UnknownVersion { .. } => Exit::Refused,
        _ => Exit::Disk,
    };
    Failure::new(exit, chain(error)).help(error.help())
}

/// Applies what the journal has up to `last` and the store has not, to the state and to the store.
///
/// # Errors
///
/// When the journal cannot be read, or the disk refuses.
pub(crate) fn catch_up(
    state: &mut State,
    reader: &journal::Reader,
    last: Seq,
    store: &Store,
) -> Result<(), Failure> {
    let behind = last.0 - state.seq().0;
    if behind > PAGE_EVENTS as u64 {
        tracing::info!("reading {behind} events from the journal that the store does not have");
    }
    let mut view = View::new(store.clone());
    while state.seq() < last {
        let page = reader
            .read(state.seq().next().0, last.0, PAGE_BYTES)
            .map_err(|error| unreadable(&error))?;
        for (seq, bytes) in page {
            let event = stored::decode(Seq(seq), bytes).map_err(|error| undecodable(&error))?;
            let entry = Entry::from(replay(state, event));
            view.add(entry).map_err(|error| unwritable(&error))?;
            if view.is_full() {
                view.flush().map_err(|error| unwritable(&error))?;
            }
        }
        let finished: Vec<Arc<Task>> = state.finished(Seq(store.applied_seq())).cloned().collect();
        for task in finished {
            state.forget(task.number);
        }
    }
    view.flush().map_err(|error| unwritable(&error))?;
    Ok(())
}

fn unreadable(error: &dyn std::error::Error) -> Failure {
    let help = "keep a copy of the data directory, then restore it from a backup";
    Failure::new(Exit::Disk, chain(error)).help(help)
}

fn undecodable(error: &stored::StoredError) -> Failure {
    if error.is_from_newer() {
        let help = "start the coordinator version that wrote this directory, or a newer one";
        return Failure::new(Exit::Refused, chain(error)).help(help);
    }
    unreadable(error)
}

fn unwritable(error: &store::StoreError) -> Failure {
    let help =
        "make room on the disk and look at its state, then start the coordinator again; nothing is lost";
    Failure::new(Exit::Disk, chain(error)).help(help)
}

/// Takes those ended tasks into memory that others wait for, or were skipped because of.
pub(crate) fn recall_missing(state: &mut State, store: &Store) -> Result<(), Failure> {
    let damaged = |error: String| {
        Failure::new(Exit::Disk, error)
            .help("move the store away and start again: it is rebuilt from the journal")
    };
    let missing: Vec<TaskId> = state.missing().into_iter().collect();
    for some in missing.chunks(RECALL_STEP) {
        let found = find::tasks(store, some).map_err(|error| match error {
            FindError::Store(error) => damaged(error),
            FindError::TooSoon => damaged("nobody knows yet which tasks the store has".to_owned()),
            FindError::TooLarge => damaged("the store has records that are too large".to_owned()),
        })?;
        for task in found {
            state.recall(task);
        }
    }
    match state.missing().first() {
        Some(task) => Err(damaged(format!(
            "the store has no task {task}, which others depend on"
        ))),
        None => Ok(()),
    }
}
