//! `coordinator repair`: goes on without the events of a damaged or missing part of the journal.
//!
//! It keeps the journal's beginning, up to the last entry before the damage; or the journal's end behind the damage,
//! when the store or a snapshot reflects the damaged part. The better of the two is kept. A new history begins, because
//! readers may have seen events that are gone.

use std::time::Duration;

use clap::Args;
use swarm_engine::{id::Seq, limits::CLOCK_TOLERANCE, state::State, time::Timestamp};
use swarm_program::{exit::Exit, failure::Failure};
use swarm_proto::duration::format_duration;

use super::{
    data::{Data, disk_failure},
    finding::say,
};
use crate::{
    journal::{self, Floor, OpenError, Salvage, Witness},
    machine::{clock, data_dir::DataDir},
    program::failure::chain,
    snapshot::{Origin, Snapshot},
    start::{self, base, failures, found::StoreFound, new_history, time_back},
    stored,
};

const EXAMPLES: &str = "\
Examples:
  coordinator repair --data-dir /var/lib/swarm                  say what would be lost
  coordinator repair --data-dir /var/lib/swarm --accept-loss    go on without it
  coordinator repair --data-dir /var/lib/swarm --set-time-back  after a clock that was ahead was believed

The coordinator must not be running. A backup may have more than what is left: see 'coordinator restore'.";

#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Repair {
    #[command(flatten)]
    pub(super) data: Data,
    /// Do it; without this, only say what would be lost.
    #[arg(long)]
    pub(super) accept_loss: bool,
    /// Let the next start set the time back to this machine's clock, after a clock that was ahead was believed. Events
    /// from then on have earlier times than those before, and what waits to be tried again is tried at once.
    #[arg(long)]
    pub(super) set_time_back: bool,
}

/// The store and the snapshots, which tell how things were when the journal does not.
struct Witnesses {
    found: StoreFound,
    /// Snapshots of which every byte is as it was written, the newest first.
    intact: Vec<Snapshot>,
    /// The other snapshots.
    damaged: Vec<Snapshot>,
}

impl Repair {
    pub(super) fn run(self) -> Result<(), Failure> {
        let dir = DataDir::of_data(&self.data.path()?)?;
        let witnesses = Witnesses::of(&dir)?;
        let error = match witnesses.fault(&dir)? {
            None => return self.look_at_time(&dir, last_time(&dir, witnesses.floor())?),
            Some(fault) => fault,
        };
        say(error.describe());
        let salvage = witnesses.salvage(&dir, &error)?;
        let loss = describe(&salvage, &witnesses);
        if !self.accept_loss {
            let failure = Failure::new(Exit::Disk, format!("going on would mean a loss: {loss}"));
            let help =
                "nothing was changed: restore the data from a backup, or accept the loss with --accept-loss";
            return Err(failure.help(help));
        }
        say(&loss);
        carry_out(&dir, &witnesses, &salvage)?;
        drop(witnesses);
        let opened = start::open(&dir)?;
        say(format_args!(
            "repaired: the coordinator goes on behind seq {}, with a new history; what was cut is in {}",
            opened.state.seq().0,
            dir.path().join(ASIDE).display()
        ));
        let last = opened.state.time();
        drop(opened);
        if self.set_time_back {
            return self.look_at_time(&dir, Some(last));
        }
        Ok(())
    }
}

impl Repair {
    /// Compares the time of the last event with the clock, and asks for it to be set back if that is wanted.
    fn look_at_time(&self, dir: &DataDir, last: Option<Timestamp>) -> Result<(), Failure> {
        let ahead = last.map_or(Duration::ZERO, clock::ahead_of_wall);
        let by = format_duration(Duration::from_secs(ahead.as_secs()));
        if ahead <= CLOCK_TOLERANCE {
            say("nothing is left to repair: the coordinator can start");
        } else if self.set_time_back {
            time_back::ask(dir.path(), clock::wall_now()).map_err(|error| disk_failure(&error))?;
            say(format_args!(
                "the next start sets the time back by {by}, to the clock of this machine"
            ));
        } else {
            say(format_args!(
                "the coordinator can start; its last event is {by} ahead of the clock of this machine: if the clock is \
                 right, set the time back with --set-time-back"
            ));
        }
        Ok(())
    }
}

/// The time of the last event; `None` when there is no event.
fn last_time(dir: &DataDir, floor: Floor) -> Result<Option<Timestamp>, Failure> {
    if !dir.journal().exists() {
        return Ok(None);
    }
    let journal = journal::inspect(&dir.journal(), floor).map_err(|error| failures::of_journal(&error))?;
    let last = journal.last.seq;
    if last == 0 || last < journal.reader.oldest_seq() {
        return Ok(None);
    }
    let page = journal
        .reader
        .read(last, last, 1)
        .map_err(|error| disk_failure(&error))?;
    let event = page
        .into_iter()
        .next()
        .map(|(seq, bytes)| stored::decode(Seq(seq), bytes));
    let event = event.transpose().map_err(|error| disk_failure(&error))?;
    Ok(event.map(|event| event.time))
}

/// The directory for the parts of the journal that are not kept.
const ASIDE: &str = "journal.set-aside";

/// Why the coordinator cannot start.
enum Fault {
    Journal(OpenError),
    /// The journal begins with this seq, and neither store nor snapshot reflects the events before it.
    NoBase(u64),
}

impl Fault {
    fn describe(&self) -> String {
        match self {
            Fault::Journal(error) => chain(error),
            Fault::NoBase(oldest) => {
                format!("nothing has what was before seq {oldest}, where the journal begins")
            }
        }
    }

    /// Whether store or snapshot belong to another history than the journal.
    fn is_foreign(&self) -> bool {
        matches!(
            self,
            Fault::Journal(OpenError::OtherHistory {
                witness: Witness::Snapshot | Witness::Store,
                ..
            })
        )
    }
}

impl Witnesses {
    fn of(dir: &DataDir) -> Result<Witnesses, Failure> {
        let usable = base::snapshots(&dir.snapshots())?;
        let (intact, damaged) = usable.into_iter().partition(|snapshot| snapshot.check().is_ok());
        Ok(Witnesses {
            found: StoreFound::open_and_read_all(&dir.store())?,
            intact,
            damaged,
        })
    }

    /// What they say about the journal's end.
    fn floor(&self) -> Floor {
        let mut snapshots: Vec<Snapshot> = self.intact.iter().chain(&self.damaged).cloned().collect();
        snapshots.sort_by_key(|snapshot| std::cmp::Reverse(snapshot.origin().seq));
        base::floor(&snapshots, &self.found)
    }

    /// Why the coordinator cannot start, if it cannot.
    fn fault(&self, dir: &DataDir) -> Result<Option<Fault>, Failure> {
        let floor = self.floor();
        if !dir.journal().exists() {
            let known = floor.snapshot_seq.max(floor.store_seq);
            return Ok((known > 0).then_some(Fault::NoBase(1)));
        }
        let oldest = match journal::inspect(&dir.journal(), floor) {
            Ok(journal) => journal.reader.oldest_seq(),
            Err(error @ (OpenError::File(_) | OpenError::UnknownVersion { .. })) => {
                return Err(failures::of_journal(&error));
            }
            Err(error) => return Ok(Some(Fault::Journal(error))),
        };
        let serves = oldest <= 1 || self.base().0 + 1 >= oldest;
        Ok((!serves).then_some(Fault::NoBase(oldest)))
    }

    /// The last seq that store or snapshots know, and the hash there.
    fn base(&self) -> (u64, Option<u64>) {
        let snapshot = self.intact.first().map(Snapshot::origin);
        let (seq, chain) = snapshot.map_or((0, None), |origin| (origin.seq, origin.chain));
        match &self.found {
            StoreFound::Intact(store, _) if store.applied_seq() > seq => (store.applied_seq(), None),
            _ => (seq, chain),
        }
    }

    fn salvage(&self, dir: &DataDir, fault: &Fault) -> Result<Salvage, Failure> {
        let (seq, chain_there) = self.base();
        Salvage::of(&dir.journal(), seq, chain_there, fault.is_foreign())
            .map_err(|error| failures::of_journal(&error))
    }
}

/// The loss, in one sentence for people.
fn describe(salvage: &Salvage, witnesses: &Witnesses) -> String {
    let (last, base) = (salvage.last_seq(), witnesses.base().0);
    let kept = if last == 0 {
        "nothing is kept".to_owned()
    } else {
        format!("the tasks are kept as they were at seq {last}")
    };
    let intact = salvage.unbridged();
    let known = salvage
        .high_water()
        .max(base)
        .max(intact.map_or(0, |(_, end, _)| end));
    let place = salvage.cut_at().map_or(String::new(), |(file, offset)| {
        format!(" (offset {offset} of {})", file.display())
    });
    let lost = if known > last {
        format!(
            "what happened from seq {}{place} to at least {known} is lost",
            last + 1
        )
    } else {
        format!("whatever happened after seq {last}{place} is lost, if anything did")
    };
    let broken = intact.map_or(String::new(), |(first, end, offset)| {
        format!(
            "; the entries from offset {offset} on, with seq {first} to {end}, are intact and cannot be kept, \
             because they follow on what nobody can read any more"
        )
    });
    let unread = match salvage.oldest_seq() {
        Some(oldest) if oldest > 1 => {
            format!("; the events before seq {oldest} can no longer be read")
        }
        _ => String::new(),
    };
    format!("{kept}; {lost}{broken}{unread}")
}

/// Repairs, in an order in which it can be killed anywhere and begun again.
fn carry_out(dir: &DataDir, witnesses: &Witnesses, salvage: &Salvage) -> Result<(), Failure> {
    new_history::ask(dir.path()).map_err(|error| disk_failure(&error))?;
    // A journal that begins behind seq 1 needs a snapshot of the events before.
    if salvage.oldest_seq().is_some_and(|oldest| oldest > 1)
        && let StoreFound::Intact(store, state) = &witnesses.found
        && store.applied_seq() == witnesses.base().0
        && witnesses
            .intact
            .first()
            .is_none_or(|snapshot| snapshot.origin().seq < store.applied_seq())
    {
        let origin = Origin {
            seq: store.applied_seq(),
            chain: None,
            history: history(state),
        };
        Snapshot::take(store, &dir.snapshots(), &origin).map_err(|error| failures::of_snapshot(&error))?;
    }
    // A damaged snapshot would still be a witness of events that it cannot restore.
    for snapshot in &witnesses.damaged {
        let aside = snapshot.path().with_extension("damaged");
        std::fs::rename(snapshot.path(), &aside).map_err(|error| disk_failure(&error))?;
    }
    salvage
        .carry_out(&dir.path().join(ASIDE))
        .map_err(|error| failures::of_journal(&error))
}

fn history(state: &State) -> String {
    state
        .identity()
        .map(|identity| identity.history.to_string())
        .unwrap_or_default()
}
