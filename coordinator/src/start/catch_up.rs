//! The state and the store are brought to the journal's end.

use std::sync::Arc;

use swarm_engine::{
    draft::replay,
    id::{Seq, TaskId},
    noun::task::Task,
    state::State,
};
use swarm_program::{exit::Exit, failure::Failure};

use super::failures;
use crate::{
    core::view::View,
    journal,
    program::limits::{PAGE_BYTES, PAGE_EVENTS, RECALL_BYTES, RECALL_STEP},
    records::{
        Entry,
        task::find::{self, FindError},
    },
    store::Store,
    stored,
};

/// Applies the events of the journal up to `last` that the store lacks, to the state and to the store.
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
            .map_err(|error| failures::of_reading(&error))?;
        for (seq, bytes) in page {
            let event = stored::decode(Seq(seq), bytes).map_err(|error| failures::of_event(&error))?;
            let entry = Entry::from(replay(state, event));
            view.add(entry).map_err(|error| failures::of_writing(&error))?;
            if view.is_full() {
                view.flush().map_err(|error| failures::of_writing(&error))?;
            }
        }
        let finished: Vec<Arc<Task>> = state.finished(Seq(store.applied_seq())).cloned().collect();
        for task in finished {
            state.forget(task.number);
        }
    }
    view.flush().map_err(|error| failures::of_writing(&error))?;
    Ok(())
}

/// Takes those ended tasks into memory that other tasks wait for, or were skipped because of.
///
/// # Errors
///
/// When the store lacks one of them, or cannot be read.
pub(crate) fn recall_missing(state: &mut State, store: &Store) -> Result<(), Failure> {
    let damaged = |error: String| {
        Failure::new(Exit::Disk, error)
            .help("move the store away and start again: it is rebuilt from the journal")
    };
    let missing: Vec<TaskId> = state.missing().into_iter().collect();
    for some in missing.chunks(RECALL_STEP) {
        let found = find::tasks(store, some, *RECALL_BYTES.end()).map_err(|error| match error {
            FindError::Store(error) => damaged(error),
            FindError::TooSoon => damaged("nobody knows yet which tasks the store has".to_owned()),
            FindError::TooLarge { .. } => damaged("the store has records that are too large".to_owned()),
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
