//! The removals of kept directories. Several threads may want some at a time, and a removal may take many minutes: none
//! of them waits for another one's, and no directory is removed by two.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Condvar, Mutex, MutexGuard},
};

use crate::disk::removal::remove_tree;

/// The removals of one workspace.
#[derive(Debug, Default)]
pub(super) struct Removals {
    state: Mutex<State>,
    ended: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The directories that are being removed.
    going: Vec<PathBuf>,
    /// The directories that could not be removed. The next start tries again.
    stuck: Vec<PathBuf>,
    /// The number of removals that have ended.
    ended: u64,
}

impl Removals {
    /// The directories that no other removal is for: those being removed, and those that cannot be.
    pub(super) fn taken(&self) -> Vec<PathBuf> {
        let state = self.state();
        state.going.iter().chain(&state.stuck).cloned().collect()
    }

    /// Whether any removal goes on.
    pub(super) fn is_one_going(&self) -> bool {
        !self.state().going.is_empty()
    }

    /// Removes a kept directory, and says so; false when something of it is left, or when another removal has it.
    pub(super) fn remove(&self, place: &Path) -> bool {
        if !self.begin(place) {
            return false;
        }
        let was_there = fs::symlink_metadata(place).is_ok();
        let removed = remove_tree(place);
        self.end(place, removed.is_ok());
        let place = place.display();
        match removed {
            Ok(()) if was_there => {
                tracing::info!("removed the kept directory {place}, one of the oldest, to make room");
            }
            Ok(()) => {}
            Err(left) => {
                tracing::warn!(error = %left, "cannot remove the kept directory {place}");
                return false;
            }
        }
        was_there
    }

    /// Waits until one of the removals that go on has ended; false when none goes on.
    pub(super) fn wait_for_one(&self) -> bool {
        let state = self.state();
        if state.going.is_empty() {
            return false;
        }
        let before = state.ended;
        let waited = self.ended.wait_while(state, |state| state.ended == before);
        drop(waited.expect("nothing panics while it has the removals"));
        true
    }

    /// Takes a directory for a removal; false when it is taken.
    pub(super) fn begin(&self, place: &Path) -> bool {
        let mut state = self.state();
        let is_free = state.going.iter().chain(&state.stuck).all(|taken| taken != place);
        if is_free {
            state.going.push(place.to_owned());
        }
        is_free
    }

    /// Ends the removal of a directory, of which something is left unless `is_gone`.
    pub(super) fn end(&self, place: &Path, is_gone: bool) {
        let mut state = self.state();
        state.going.retain(|going| going != place);
        if !is_gone {
            state.stuck.push(place.to_owned());
        }
        state.ended += 1;
        self.ended.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .expect("nothing panics while it has the removals")
    }
}
