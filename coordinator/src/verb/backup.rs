//! `coordinator backup`: copies the newest snapshot and the journal.
//!
//! It takes no lock, so it works beside a running coordinator, and it changes nothing there. That is safe because:
//!
//! - A snapshot and every segment but the newest never change once they have their names.
//! - The newest segment is only appended to. Its entries are read and checked one after the other, and copied up to
//!   the last whole entry. That is at least everything that was acknowledged before the backup began.
//! - The snapshot is copied first. If the coordinator meanwhile removes a segment that belongs behind the snapshot, the
//!   backup is begun again.
//! - The copy is read from its beginning to its end, and only then marked whole.

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use clap::Args;
use swarm_program::{exit::Exit, failure::Failure};

use super::{
    backup_note::{self, Copied},
    data::{Data, disk_failure},
    finding::say,
};
use crate::{
    journal::{self, Floor, Live, OpenError},
    machine::disk,
    program::failure::chain,
    snapshot::{self, Snapshot},
    start::failures,
};

const EXAMPLES: &str = "\
Examples:
  coordinator backup --data-dir /var/lib/swarm /backup/swarm-2030-01-01
  coordinator restore --data-dir /var/lib/swarm-again /backup/swarm-2030-01-01

The coordinator may be running. The backup holds lease tokens and whatever tasks printed: keep it as safe as the data.";

/// Removing old events takes a snapshot first, so two removals within one copy are rare.
const MOST_TRIES: usize = 5;

#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Backup {
    #[command(flatten)]
    pub(super) data: Data,
    /// Where to put it: a directory that is empty or does not exist.
    #[arg(value_name = "DIR")]
    target: PathBuf,
}

impl Backup {
    pub(super) fn run(self) -> Result<(), Failure> {
        let data = self.data.path()?;
        if !data.join("journal").is_dir() {
            return Err(Failure::new(
                Exit::Configuration,
                format!("there are no data of a coordinator in {}", data.display()),
            )
            .help("name the directory that has them: --data-dir DIR"));
        }
        check_target(&self.target)?;
        for _ in 0..MOST_TRIES {
            if let Some(copied) = copy(&data, &self.target)? {
                say(format_args!(
                    "backed up everything up to seq {} to {}",
                    copied.last_seq,
                    self.target.display()
                ));
                return Ok(());
            }
            clear(&self.target)?;
        }
        Err(Failure::new(
            Exit::Disk,
            "old events were removed faster than they could be copied",
        )
        .help("run it again, or raise --keep-events-bytes of the coordinator"))
    }
}

fn check_target(target: &Path) -> Result<(), Failure> {
    let is_empty = match fs::read_dir(target) {
        Ok(mut items) => items.next().is_none(),
        Err(error) if error.kind() == ErrorKind::NotFound => true,
        Err(error) => return Err(disk_failure(&error)),
    };
    if is_empty {
        return Ok(());
    }
    Err(Failure::new(
        Exit::Refused,
        format!("there is something in {}", target.display()),
    )
    .help("name a directory that is empty or does not exist"))
}

fn clear(target: &Path) -> Result<(), Failure> {
    for part in ["journal", "snapshot"] {
        disk::remove_directory(&target.join(part)).map_err(|error| disk_failure(&error))?;
    }
    Ok(())
}

/// Copies everything; `None` when something was removed meanwhile.
fn copy(data: &Path, target: &Path) -> Result<Option<Copied>, Failure> {
    disk::make_directory(target, "make the directory").map_err(|error| disk_failure(&error))?;
    let (snapshots, segments) = (target.join("snapshot"), target.join("journal"));
    let Some(snapshot) = copy_snapshot(&data.join("snapshot"), &snapshots)? else {
        return Ok(None);
    };
    let live = Live::look(&data.join("journal")).map_err(|error| failures::of_journal(&error))?;
    let copied = live.copy(&segments);
    let last = match copied {
        Ok(Some(last)) => last,
        Ok(None) => return Ok(None),
        Err(error @ OpenError::File(_)) => return Err(disk_failure(&error)),
        Err(error) => return Err(failures::of_journal(&error)),
    };
    let origin = snapshot.as_ref().map(Snapshot::origin);
    let floor = Floor {
        snapshot_seq: origin.map_or(0, |origin| origin.seq),
        snapshot_chain: origin.and_then(|origin| origin.chain),
        store_seq: 0,
    };
    match journal::inspect(&segments, floor) {
        // Removed between the copy of the snapshot and that of the journal.
        Err(OpenError::Gap { offset: 0, .. }) if live.has_been_trimmed() => return Ok(None),
        inspected => inspected.map_err(|error| failures::of_journal(&error))?,
    };
    if let Some(snapshot) = &snapshot {
        snapshot.check().map_err(|error| failures::of_snapshot(&error))?;
    }
    let copied = Copied { last_seq: last };
    backup_note::finish(target, &copied).map_err(|error| disk_failure(&error))?;
    Ok(Some(copied))
}

/// The copy of the newest snapshot, if there is one at all; the outer `None` when it was removed meanwhile.
fn copy_snapshot(from: &Path, to: &Path) -> Result<Option<Option<Snapshot>>, Failure> {
    disk::make_directory(to, "make the directory").map_err(|error| disk_failure(&error))?;
    let usable = snapshot::usable(from).map_err(|error| failures::of_snapshot(&error))?;
    let Some(newest) = usable.first() else {
        return Ok(Some(None));
    };
    let name = newest.path().file_name().unwrap_or_default();
    let target = to.join(name);
    if let Err(error) = disk::copy_file(newest.path(), &target) {
        if !newest.path().exists() {
            return Ok(None);
        }
        return Err(disk_failure(&error));
    }
    disk::sync_directory(to).map_err(|error| disk_failure(&error))?;
    let copied = Snapshot::newest(to).map_err(|error| {
        let help = "run it again; if it is the same, the disk is damaged";
        Failure::new(Exit::Disk, chain(&error)).help(help)
    })?;
    Ok(Some(copied))
}
