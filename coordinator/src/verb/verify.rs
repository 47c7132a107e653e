//! `coordinator verify`: checks that the data are whole, and that the store says the same as the journal.
//!
//! Nothing is changed. sled repairs a store that it opens, so the store is copied first, and the copy is compared with
//! a store that is built from snapshot and journal beside it.

use std::{fs, path::Path};

use clap::Args;
use swarm_engine::{id::Seq, state::State};
use swarm_program::{exit::Exit, failure::Failure};

use super::{
    data::{Data, disk_failure},
    finding::say,
};
use crate::{
    journal::{self, Inspected},
    machine::{data_dir::DataDir, disk},
    records::{LAYOUT, load},
    snapshot::{self, Snapshot},
    start::{
        base,
        catch_up::{catch_up, recall_missing},
        failures,
        found::StoreFound,
    },
    store::{Store, key},
};

const EXAMPLES: &str = "\
Example:
  coordinator verify --data-dir /var/lib/swarm

The coordinator must not be running. It takes as much disk again as the store does, for a while.";

/// How many differing records are named; the others are only counted.
const MOST_NAMED: usize = 50;

#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Verify {
    #[command(flatten)]
    pub(super) data: Data,
}

impl Verify {
    pub(super) fn run(self) -> Result<(), Failure> {
        let dir = DataDir::of_data(&self.data.path()?)?;
        let scratch = dir.path().join("verifying");
        let cleared = || disk::remove_directory(&scratch).map_err(|error| disk_failure(&error));
        // An earlier verification that was killed may have left it.
        cleared()?;
        let verified = verify(&dir, &scratch);
        cleared()?;
        verified
    }
}

fn verify(dir: &DataDir, scratch: &Path) -> Result<(), Failure> {
    let snapshots = check_snapshots(dir)?;
    let store_copy = scratch.join("store");
    if dir.store().exists() {
        disk::copy_directory(&dir.store(), &store_copy).map_err(|error| disk_failure(&error))?;
    }
    let found = StoreFound::open(&store_copy)?;
    let floor = base::floor(&snapshots, &found);
    let journal = journal::inspect(&dir.journal(), floor).map_err(|error| failures::of_journal(&error))?;
    describe(&journal);
    let store = match found {
        StoreFound::Intact(store, _) => Some(store),
        // As a restored backup is before its first start.
        StoreFound::Missing => None,
        StoreFound::Damaged(damage) => return Err(broken(damage)),
    };
    let end = store.as_ref().map_or(journal.last.seq, Store::applied_seq);
    let (expected, mut state) = begin(&snapshots, end, &journal, &scratch.join("expected"))?;
    catch_up(&mut state, &journal.reader, Seq(end), &expected)?;
    match store {
        Some(store) => {
            let records = compare(&store, &expected)?;
            say(format_args!(
                "store: {records} records as of seq {end}, each as the journal says"
            ));
        }
        None => say("store: none; the next start builds it from snapshot and journal"),
    }

    catch_up(&mut state, &journal.reader, Seq(journal.last.seq), &expected)?;
    recall_missing(&mut state, &expected)?;
    state.check().map_err(|fault| {
        let help = "this is a bug; keep a copy of the data directory and report it";
        Failure::new(Exit::Bug, format!("the state contradicts itself: {fault}")).help(help)
    })?;
    let tasks = state.counts().total();
    say(format_args!(
        "state: {tasks} tasks as of seq {}, without contradiction",
        journal.last.seq
    ));
    Ok(())
}

fn check_snapshots(dir: &DataDir) -> Result<Vec<Snapshot>, Failure> {
    let seqs = snapshot::list(&dir.snapshots()).map_err(|error| failures::of_snapshot(&error))?;
    let mut snapshots = Vec::new();
    for seq in seqs {
        let checked = Snapshot::open(&dir.snapshots(), seq).and_then(|snapshot| {
            snapshot.check()?;
            Ok(snapshot)
        });
        let snapshot = checked.map_err(|error| failures::of_snapshot(&error))?;
        say(format_args!(
            "snapshot: {} records as of seq {seq}, intact",
            snapshot.count()
        ));
        snapshots.push(snapshot);
    }
    Ok(snapshots)
}

fn describe(journal: &Inspected) {
    let segments = if journal.segments == 1 {
        "segment"
    } else {
        "segments"
    };
    say(format_args!(
        "journal: {} {segments}, seq {} to {}, intact",
        journal.segments,
        journal.reader.oldest_seq(),
        journal.last.seq
    ));
    if let Some(torn) = &journal.torn {
        say(format_args!(
            "journal: the next start cuts what nobody was told of: {torn}"
        ));
    }
    if journal.high_water.is_none() {
        say("journal: no high-water file says that nothing is missing at its end");
    }
}

/// A store to replay the journal onto, built from the newest snapshot that is not ahead of the store to verify, which
/// ends with seq `end`.
fn begin(
    snapshots: &[Snapshot],
    end: u64,
    journal: &Inspected,
    dir: &Path,
) -> Result<(Store, State), Failure> {
    let oldest = journal.reader.oldest_seq();
    let serves = |snapshot: &&Snapshot| (oldest..=end + 1).contains(&(snapshot.origin().seq + 1));
    if let Some(snapshot) = snapshots.iter().find(serves) {
        let restored = snapshot
            .restore(dir, &LAYOUT)
            .map_err(|error| failures::of_snapshot(&error))?;
        let state = load(&restored).map_err(broken)?;
        return Ok((restored, state));
    }
    if oldest > 1 {
        return Err(broken(format!(
            "the store is at seq {end}: snapshots and journal do not say any more what it should hold there"
        )));
    }
    fs::create_dir_all(dir).map_err(|error| disk_failure(&error))?;
    let empty = Store::open(dir, &LAYOUT).map_err(|error| failures::of_store(&error))?;
    Ok((empty, State::default()))
}

/// The number of records, if they are equal in both stores.
fn compare(found: &Store, expected: &Store) -> Result<u64, Failure> {
    let mut differences = Vec::new();
    let mut count = 0;
    let mut more = 0;
    let mut differs = |key: &[u8], how: &str| {
        if differences.len() < MOST_NAMED {
            differences.push(format!("{} {how}", key::name(key)));
        } else {
            more += 1;
        }
    };
    let damaged = |error| disk_failure(&error);
    let mut theirs = found.scan(&[], &[]);
    let mut ours = expected.scan(&[], &[]);
    let mut one = theirs.next().transpose().map_err(damaged)?;
    let mut other = ours.next().transpose().map_err(damaged)?;
    loop {
        let order = match (&one, &other) {
            (None, None) => break,
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some((key, _)), Some((expected, _))) => key.cmp(expected),
        };
        if order.is_eq() && one != other {
            differs(
                &one.as_ref().map(|(key, _)| key.clone()).unwrap_or_default(),
                "is different",
            );
        }
        if order.is_le() {
            if let Some((key, _)) = &one
                && order.is_lt()
            {
                differs(key, "should not be there");
            }
            count += 1;
            one = theirs.next().transpose().map_err(damaged)?;
        }
        if order.is_ge() {
            if let Some((key, _)) = &other
                && order.is_gt()
            {
                differs(key, "is missing");
            }
            other = ours.next().transpose().map_err(damaged)?;
        }
    }
    if differences.is_empty() {
        return Ok(count);
    }
    let rest = if more > 0 {
        format!(", and {more} more")
    } else {
        String::new()
    };
    Err(broken(format!(
        "the store is not what the journal says: {}{rest}",
        differences.join(", ")
    )))
}

/// The failure for a store that is wrong beside a journal that is right.
fn broken(error: String) -> Failure {
    let help = "nothing is lost: 'coordinator rebuild' builds the store anew";
    Failure::new(Exit::Disk, error).help(help)
}
