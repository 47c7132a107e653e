//! Whether a store was made from this journal and from no other: a store that was put there by hand, or outlived its
//! journal, may have any seq.
//!
//! The store keeps the event of the start that it reflects, with its seq. The journal has the same event at that seq,
//! and the last event that the store reflects belongs to that epoch; no other history has both.

use swarm_engine::state::State;
use swarm_program::{exit::Exit, failure::Failure};

use crate::{
    journal,
    program::failure::chain,
    records::meta::{IDENTITY, STARTED},
    snapshot::Snapshot,
    store::Store,
};

/// Whether this is so. Only an empty store may lack the event of its start.
///
/// # Errors
///
/// When store or journal cannot be read.
pub(super) fn is_of(
    store: &Store,
    state: &State,
    snapshots: &[Snapshot],
    journal: &journal::Reader,
    last: u64,
) -> Result<bool, Failure> {
    let unreadable = |error: &dyn std::error::Error| {
        let help = "look at the disk, then start the coordinator again";
        Failure::new(Exit::Disk, chain(error)).help(help)
    };
    let meta = |name| store.meta(name).map_err(|error| unreadable(&error));
    let started = meta(STARTED)?.and_then(|seq| seq.try_into().ok().map(u64::from_be_bytes));
    let (Some(started), Some(identity)) = (started, state.identity()) else {
        return Ok(store.applied_seq() == 0);
    };
    let there = journal.oldest_seq()..=last;
    if there.contains(&started) {
        let events = journal.read(started, started, 1);
        let event = events.map_err(|error| unreadable(&error))?.pop();
        if event.map(|(_, bytes)| bytes.to_vec()) != meta(IDENTITY)? {
            return Ok(false);
        }
    }
    let applied = store.applied_seq();
    if there.contains(&applied) {
        let epoch = journal.epoch_of(applied).map_err(|error| unreadable(&error))?;
        if epoch != identity.epoch {
            return Ok(false);
        }
    }
    // Where the journal was trimmed, a snapshot between the two seqs knows the history.
    let mut origins = snapshots.iter().map(Snapshot::origin);
    let between = origins.find(|origin| (started..=applied).contains(&origin.seq));
    Ok(between.is_none_or(|origin| *origin.history == *identity.history))
}
