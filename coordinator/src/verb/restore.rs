//! `coordinator restore`: lays a backup out in an empty data directory.
//!
//! The backup is laid out and read from end to end in a directory of its own first. Then its parts get their names, the
//! journal last: with it the data are there. The next start builds the store, and begins a new history, because readers
//! may have seen events from after the backup.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use clap::Args;
use swarm_program::{exit::Exit, failure::Failure};

use super::{
    backup_note,
    data::{Data, disk_failure},
    finding::say,
};
use crate::{
    journal::{self, Floor},
    machine::{data_dir::DataDir, disk},
    snapshot::Snapshot,
    start::{failures, new_history, restoring},
};

const EXAMPLES: &str = "\
Example:
  coordinator restore --data-dir /var/lib/swarm-again /backup/swarm-2030-01-01

The data directory must be empty or not exist. Agents that still run tasks of the time after the backup are told \
that their leases are lost.";

#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Restore {
    #[command(flatten)]
    pub(super) data: Data,
    /// What 'coordinator backup' has made.
    #[arg(value_name = "BACKUP")]
    source: PathBuf,
}

impl Restore {
    pub(super) fn run(self) -> Result<(), Failure> {
        let copied = backup_note::read(&self.source).map_err(|error| disk_failure(&error))?;
        let Some(copied) = copied else {
            return Err(Failure::new(
                Exit::Configuration,
                format!("{} is no backup, or not a whole one", self.source.display()),
            )
            .help("name a directory that 'coordinator backup' has made"));
        };
        let path = self.data.path()?;
        check_empty(&path)?;
        let dir = DataDir::open(&path)?;
        let aside = restoring::path(dir.path());
        // An earlier restoring that was killed may have left these.
        for left in [aside.clone(), dir.snapshots()] {
            disk::remove_directory(&left).map_err(|error| disk_failure(&error))?;
        }
        lay_out(&self.source, &aside)?;
        check(&aside, copied.last_seq)?;
        take_over(&dir, &aside).map_err(|error| disk_failure(&error))?;
        say(format_args!(
            "restored everything up to seq {} to {}; the next start begins a new history, and what ran when the \
             backup was taken runs again",
            copied.last_seq,
            dir.path().display()
        ));
        Ok(())
    }
}

/// Refuses a directory with something in it other than the beginning of an earlier restoring that was killed.
fn check_empty(path: &Path) -> Result<(), Failure> {
    let items = match fs::read_dir(path) {
        Ok(items) => items,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(disk_failure(&error)),
    };
    let names: Vec<String> = items
        .map(|item| item.map(|item| item.file_name().to_string_lossy().into_owned()))
        .collect::<io::Result<_>>()
        .map_err(|error| disk_failure(&error))?;
    let is_begun = names.iter().any(|name| name == "restoring");
    let may_be = |name: &str| {
        name == "lock"
            || is_begun && ["restoring", "snapshot", "new-history", "new-history.tmp"].contains(&name)
    };
    // With the journal's name the earlier restoring was done; only the empty directory was left to remove.
    let is_left_empty = || fs::read_dir(restoring::path(path)).is_ok_and(|mut items| items.next().is_none());
    if names.iter().any(|name| name == "journal") && is_begun && is_left_empty() {
        let restored = format!(
            "an earlier 'coordinator restore' has restored everything to {}",
            path.display()
        );
        let help = "start the coordinator there, or name a directory that is empty or does not exist: --data-dir DIR";
        return Err(Failure::new(Exit::Refused, restored).help(help));
    }
    match names.iter().find(|name| !may_be(name)) {
        None => Ok(()),
        Some(name) => Err(Failure::new(
            Exit::Refused,
            format!("cannot restore into {}: there is {name} in it", path.display()),
        )
        .help("name a directory that is empty or does not exist: --data-dir DIR")),
    }
}

fn lay_out(source: &Path, aside: &Path) -> Result<(), Failure> {
    let laid_out = disk::make_directory(aside, "make the directory").and_then(|()| {
        for part in ["snapshot", "journal"] {
            disk::copy_directory(&source.join(part), &aside.join(part))?;
        }
        disk::sync_directory(aside)
    });
    laid_out.map_err(|error| disk_failure(&error))
}

/// Reads all of the backup as it is laid out.
fn check(aside: &Path, last_seq: u64) -> Result<(), Failure> {
    let damaged = |error: String| {
        let help = "nothing was restored: take another backup";
        Failure::new(Exit::Disk, format!("the backup is damaged: {error}")).help(help)
    };
    let described = |error: &dyn std::error::Error| damaged(crate::program::failure::chain(error));
    let snapshot = Snapshot::newest(&aside.join("snapshot")).map_err(|error| described(&error))?;
    if let Some(snapshot) = &snapshot {
        snapshot.check().map_err(|error| described(&error))?;
    }
    let origin = snapshot.as_ref().map(Snapshot::origin);
    let floor = Floor {
        snapshot_seq: origin.map_or(0, |origin| origin.seq),
        snapshot_chain: origin.and_then(|origin| origin.chain),
        store_seq: 0,
    };
    let journal = journal::inspect(&aside.join("journal"), floor).map_err(|error| match &error {
        journal::OpenError::UnknownVersion { .. } => failures::of_journal(&error),
        _ => described(&error),
    })?;
    if journal.last.seq == last_seq {
        return Ok(());
    }
    Err(damaged(format!(
        "it ends with seq {}, not {last_seq}",
        journal.last.seq
    )))
}

/// Gives all parts their names; with the journal's name the data are there.
fn take_over(dir: &DataDir, aside: &Path) -> io::Result<()> {
    new_history::ask(dir.path())?;
    fs::rename(aside.join("snapshot"), dir.snapshots())?;
    disk::sync_directory(dir.path())?;
    fs::rename(aside.join("journal"), dir.journal())?;
    disk::sync_directory(dir.path())?;
    fs::remove_dir(aside)?;
    Ok(disk::sync_directory(dir.path())?)
}
