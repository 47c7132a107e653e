//! The store of a data directory as a start finds it.

use std::path::Path;

use swarm_engine::state::State;
use swarm_program::{exit::Exit, failure::Failure};

use super::failures;
use crate::{
    program::failure::chain,
    records::{LAYOUT, load},
    store::{
        OpenError, Store,
        closing::{self, Left},
        probe::{Depth, Health, probe},
    },
};

/// See the module.
pub(crate) enum StoreFound {
    /// It can be read, all of it or as much as a start needs: `Store::is_read` says which.
    Intact(Store, Box<State>),
    /// There is none.
    Missing,
    /// It cannot be read; the sentence says why.
    Damaged(String),
}

impl StoreFound {
    /// Opens the store and reads as much of it as a start needs. A damaged store stays as it is.
    ///
    /// # Errors
    ///
    /// When another process has it open, or the disk refuses.
    pub(crate) fn open(dir: &Path) -> Result<StoreFound, Failure> {
        open(dir, Depth::Sample)
    }

    /// Opens the store and reads all of it, for a caller that removes something because of what the store has.
    ///
    /// # Errors
    ///
    /// As [`StoreFound::open`].
    pub(crate) fn open_and_read_all(dir: &Path) -> Result<StoreFound, Failure> {
        open(dir, Depth::Everything)
    }

    /// The last event that it reflects; 0 for none.
    pub(crate) fn applied_seq(&self) -> u64 {
        match self {
            StoreFound::Intact(store, _) => store.applied_seq(),
            StoreFound::Missing | StoreFound::Damaged(_) => 0,
        }
    }
}

fn open(dir: &Path, asked: Depth) -> Result<StoreFound, Failure> {
    if !dir.exists() {
        return Ok(StoreFound::Missing);
    }
    let left = closing::left(dir);
    let depth = match &left {
        Left::Closed(_) | Left::Killed => asked,
        Left::Unknown(why) => {
            tracing::info!(reason = %why, "reading the whole store before serving");
            Depth::Everything
        }
    };
    if let Some(damage) = damage_of(dir, depth)? {
        return Ok(StoreFound::Damaged(damage));
    }
    let store = match Store::open(dir, &LAYOUT) {
        Ok(store) => store,
        Err(error @ OpenError::Damaged { .. }) => return Ok(StoreFound::Damaged(chain(&error))),
        Err(error) => return Err(failures::of_store(&error)),
    };
    if let Left::Closed(contents) = left
        && store.contents().ok() != Some(contents)
    {
        let dir = dir.display();
        let damage = format!("the store in {dir} is not what it was when it was closed");
        return Ok(StoreFound::Damaged(damage));
    }
    if depth == Depth::Everything {
        store.was_read();
    }
    Ok(match load(&store) {
        Ok(state) => StoreFound::Intact(store, Box::new(state)),
        Err(damage) => StoreFound::Damaged(damage),
    })
}

/// The damage that another process finds in the store: reading damaged files may never end.
fn damage_of(dir: &Path, depth: Depth) -> Result<Option<String>, Failure> {
    if depth == Depth::Sample {
        // From here on sled writes to the store's files.
        closing::open(dir).map_err(|error| failures::of_closing(&error))?;
    }
    let health = probe(dir, depth).map_err(|error| {
        Failure::new(
            Exit::Bug,
            format!("cannot start a process that looks at the store: {error}"),
        )
        .help("look at the limits on processes and memory, then start the coordinator again")
    })?;
    match health {
        Health::Intact => Ok(None),
        Health::Damaged(damage) => Ok(Some(format!(
            "the store in {} is damaged: {damage}",
            dir.display()
        ))),
        Health::InUse(why) => {
            let help = "end the process that has it open, then start the coordinator again";
            Err(Failure::new(Exit::Refused, why).help(help))
        }
        Health::NoSpace(why) => {
            let help = "make room on the disk, then start the coordinator again; nothing is lost";
            Err(Failure::new(Exit::Disk, why).help(help))
        }
    }
}
