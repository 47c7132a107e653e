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
    /// The number of removals that have left nothing: each has made room.
    gone: u64,
}

/// A directory that is being removed. Something is left of it, also after a panic, unless its end says otherwise.
pub(super) struct Going<'a> {
    removals: &'a Removals,
    place: &'a Path,
    is_gone: bool,
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
        let Some(going) = self.begin(place) else {
            return false;
        };
        let was_there = fs::symlink_metadata(place).is_ok();
        let removed = remove_tree(place);
        going.end(removed.is_ok());
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

    /// How often room was made.
    pub(super) fn gone(&self) -> u64 {
        self.state().gone
    }

    /// Waits until room was made more often than `before`; false when no removal goes on that may make some.
    pub(super) fn wait_for_room(&self, before: u64) -> bool {
        let waits = |state: &mut State| state.gone == before && !state.going.is_empty();
        let waited = self.ended.wait_while(self.state(), waits);
        waited.expect("nothing panics while it has the removals").gone != before
    }

    /// Takes a directory for a removal; `None` when it is taken.
    pub(super) fn begin<'a>(&'a self, place: &'a Path) -> Option<Going<'a>> {
        let mut state = self.state();
        let is_free = state.going.iter().chain(&state.stuck).all(|taken| taken != place);
        if is_free {
            state.going.push(place.to_owned());
        }
        is_free.then(|| Going {
            removals: self,
            place,
            is_gone: false,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .expect("nothing panics while it has the removals")
    }
}

impl Going<'_> {
    /// Ends the removal, of which something is left unless `is_gone`.
    pub(super) fn end(mut self, is_gone: bool) {
        self.is_gone = is_gone;
    }
}

impl Drop for Going<'_> {
    fn drop(&mut self) {
        let mut state = self.removals.state();
        state.going.retain(|going| going != self.place);
        if self.is_gone {
            state.gone += 1;
        } else {
            state.stuck.push(self.place.to_owned());
        }
        self.removals.ended.notify_all();
    }
}
