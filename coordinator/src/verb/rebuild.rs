//! `coordinator rebuild`: the store is set aside and built anew from snapshot and journal.

use clap::Args;
use swarm_program::{exit::Exit, failure::Failure};

use super::{data::Data, finding::say};
use crate::{
    journal,
    machine::data_dir::DataDir,
    snapshot::Snapshot,
    start::{self, base, failures, found::StoreFound},
};

const EXAMPLES: &str = "\
Example:
  coordinator rebuild --data-dir /var/lib/swarm

The coordinator must not be running. A start does the same by itself when it finds the store damaged.";

#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Rebuild {
    #[command(flatten)]
    pub(super) data: Data,
}

impl Rebuild {
    pub(super) fn run(self) -> Result<(), Failure> {
        let dir = DataDir::of_data(&self.data.path()?)?;
        let store = dir.store();
        let snapshots = base::snapshots(&dir.snapshots())?;
        // A store that is ahead of the journal proves a loss, and stays until somebody accepts the loss.
        let found = StoreFound::open(&store)?;
        let floor = base::floor(&snapshots, &found);
        let journal =
            journal::inspect(&dir.journal(), floor).map_err(|error| failures::of_journal(&error))?;
        let oldest = journal.reader.oldest_seq();
        check_source(&snapshots, oldest)?;
        drop(found);
        if store.exists() {
            base::set_aside(&store)?;
        }
        let rebuilt = start::open(&dir)?;
        say(format_args!(
            "rebuilt the store as of seq {}; the one before is {}",
            rebuilt.store.applied_seq(),
            store.with_extension("set-aside").display()
        ));
        Ok(())
    }
}

/// Refuses when journal and snapshots do not have everything.
fn check_source(snapshots: &[Snapshot], oldest: u64) -> Result<(), Failure> {
    let mut serving = snapshots
        .iter()
        .filter(|snapshot| snapshot.origin().seq + 1 >= oldest);
    if oldest <= 1 || serving.any(|snapshot| snapshot.check().is_ok()) {
        return Ok(());
    }
    Err(Failure::new(Exit::Disk, format!(
            "no snapshot has what was before seq {oldest}, where the journal begins: the store is all there is"
        )).help("nothing was changed: restore the data directory from a backup if the store is damaged"))
}
