//! Outcomes that the coordinator has not confirmed, kept across restarts.
//!
//! ```text
//! outbox/CLUSTER/OPENING-N.report         an AttemptReport to be sent again, or nothing
//! outbox/CLUSTER/refused/TASK.ATTEMPT/    what the coordinator did not want: report, stdout, stderr, why
//! ```
//!
//! A file whose report is confirmed is written over with another one: a write in place and its sync cost an eighth of
//! making, naming and removing a file, which would be a good part of what an agent does for a short command.
//!
//! Everything here blocks on the disk; callers keep it off the runtime's threads.

mod file;

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard},
    time::SystemTime,
};

use prost::Message as _;
use swarm_proto::{limits::MAX_ID_BYTES, v1::AttemptReport};

use self::file::{Content, Report, Written};
use super::{
    removal::keep_newest,
    state_directory::{make_private, write_durably},
};
use crate::{
    attempt_key::AttemptKey,
    program::{file_name::is_file_name, random},
};

/// Refused results are for people to look at; beyond this the oldest go.
const MAX_REFUSED: usize = 1000;
/// A file beyond this is no report of ours: of output there are at most twice 64 KiB.
const MAX_REPORT_BYTES: u64 = 1024 * 1024;
/// Files without a report that are kept for the next ones: as many as there are slots of a large machine.
const MAX_FREE: usize = 64;
/// What must fit for an outcome to be sure to.
const PROBE_BYTES: usize = 256 * 1024;
/// What makes the names of one opening its own: whatever still goes on for an earlier one does not touch them.
const OPENING_CHARACTERS: usize = 10;
const EXTENSION: &str = "report";

/// The outbox for one coordinator's data.
pub(crate) struct Outbox {
    directory: PathBuf,
    /// How the names of its new files begin.
    opening: String,
    files: Mutex<Files>,
}

/// Which file has what.
#[derive(Default)]
struct Files {
    /// Where each unconfirmed report is.
    taken: BTreeMap<AttemptKey, PathBuf>,
    /// Those that have none.
    free: Vec<PathBuf>,
    /// How many were made.
    made: u64,
    /// When the last report was written.
    last: Written,
}

/// A report that an earlier process of this agent left.
pub(crate) struct Leftover {
    /// Its report.
    pub(crate) report: AttemptReport,
    /// When it was written.
    pub(crate) written: SystemTime,
}

impl Outbox {
    /// Opens the outbox below the state directory, and reads what an earlier process left, oldest first.
    ///
    /// Files that cannot be read are set aside among the refused ones.
    pub(crate) fn open(state: &Path, cluster_id: &str) -> io::Result<(Outbox, Vec<Leftover>)> {
        // A directory is named by it: what the other side sends is not trusted to be harmless.
        if !is_file_name(cluster_id, MAX_ID_BYTES) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the coordinator's cluster id is no plain word",
            ));
        }
        let outbox = Outbox {
            directory: state.join("outbox").join(cluster_id),
            opening: random::base32(OPENING_CHARACTERS),
            files: Mutex::default(),
        };
        make_private(&outbox.refused())?;
        let mut reports = BTreeMap::new();
        for entry in fs::read_dir(&outbox.directory)? {
            let path = entry?.path();
            let extension = path.extension().and_then(|extension| extension.to_str());
            let tidied = match extension {
                Some(EXTENSION) => outbox.take_over(path.clone(), &mut reports),
                // A write that a crash cut short: its attempt was never reported.
                Some("partial") => fs::remove_file(&path),
                _ => Ok(()),
            };
            // What cannot be read now may be at the next start; the others are not to wait for it.
            if let Err(error) = tidied {
                tracing::warn!(%error, "cannot tidy {} in the outbox", path.display());
            }
        }
        // A name that a crash left unsynced must not be gone when its file has another report.
        File::open(&outbox.directory)?.sync_all()?;
        let mut leftovers: Vec<_> = reports
            .into_values()
            .map(|Report { report, written, .. }| Leftover {
                report,
                written: written.time(),
            })
            .collect();
        leftovers.sort_by_key(|leftover| leftover.written);
        Ok((outbox, leftovers))
    }

    /// Puts an outcome on the disk, before it is sent.
    pub(crate) fn put(&self, key: &AttemptKey, report: &AttemptReport) -> io::Result<()> {
        let content = file::bytes_of(report, self.files().next_moment())?;
        let path = match self.write_over_free(&content) {
            Some(path) => path,
            None => {
                let path = self.new_path();
                write_durably(&path, &content).inspect_err(|_| {
                    // It may be there, and it is not known to last.
                    let _ = fs::remove_file(&path);
                })?;
                path
            }
        };
        let before = self.files().taken.insert(key.clone(), path);
        before.map_or(Ok(()), |path| self.free(path))
    }

    /// Writes into the first free file that can be written.
    fn write_over_free(&self, content: &[u8]) -> Option<PathBuf> {
        loop {
            let path = self.files().free.pop()?;
            match file::write_over(&path, content) {
                Ok(()) => return Some(path),
                // Nobody knows what of it will last.
                Err(error) => {
                    tracing::debug!(%error, "cannot write over {}", path.display());
                    let _ = fs::remove_file(&path);
                }
            }
        }
    }

    /// Finds out whether one more outcome could be written.
    pub(crate) fn probe(&self) -> io::Result<()> {
        let file = self.directory.join("probe");
        let written = write_durably(&file, &[0; PROBE_BYTES]);
        let _ = fs::remove_file(&file);
        written
    }

    /// The coordinator has it. If that is lost in a crash, a repeat does no harm.
    pub(crate) fn confirm(&self, key: &AttemptKey) -> io::Result<()> {
        let path = self.files().taken.remove(key);
        path.map_or(Ok(()), |path| self.free(path))
    }

    /// Takes the report out of a file. Only those of this opening are used again.
    fn free(&self, path: PathBuf) -> io::Result<()> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_own = name.starts_with(&self.opening);
        if is_own && self.files().free.len() < MAX_FREE && file::clear(&path).is_ok() {
            self.files().free.push(path);
            return Ok(());
        }
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Keeps a result that the coordinator does not want, readable; says where.
    pub(crate) fn refuse(&self, key: &AttemptKey, report: &AttemptReport, why: &str) -> io::Result<PathBuf> {
        let kept = self.refused().join(key.to_string());
        make_private(&kept)?;
        let mut report = report.clone();
        let output = report.output.take().unwrap_or_default();
        write_durably(&kept.join("stdout"), &output.stdout)?;
        write_durably(&kept.join("stderr"), &output.stderr)?;
        write_durably(&kept.join("why"), format!("{why}\n").as_bytes())?;
        // The lease is over; its token is nobody's business.
        if let Some(lease) = &mut report.lease {
            lease.lease_token.clear();
        }
        report.output = Some(output);
        write_durably(&kept.join("report"), &report.encode_to_vec())?;
        self.confirm(key)?;
        keep_newest(&self.refused(), MAX_REFUSED);
        Ok(kept)
    }

    /// What an earlier process left in a file. One that has no report goes; one that cannot be read is set aside.
    fn take_over(&self, path: PathBuf, reports: &mut BTreeMap<AttemptKey, Report>) -> io::Result<()> {
        let content = if fs::metadata(&path)?.len() <= MAX_REPORT_BYTES {
            file::content_of(&fs::read(&path)?)
        } else {
            Content::Unreadable
        };
        let report = match content {
            Content::Nothing => return fs::remove_file(path),
            Content::Unreadable => return self.set_aside(&path),
            Content::Report(report) => *report,
        };
        // Whoever wrote it may have been killed before it was on the disk.
        File::options().write(true).open(&path)?.sync_data()?;
        let mut files = self.files();
        files.last = files.last.max(report.written);
        // A power loss can bring back a confirmed report of an attempt that has had another one since.
        if let Some(other) = reports.get(&report.key)
            && other.written > report.written
        {
            return fs::remove_file(path);
        }
        let older = files.taken.insert(report.key.clone(), path);
        reports.insert(report.key.clone(), report);
        older.map_or(Ok(()), fs::remove_file)
    }

    /// Where no file has been yet.
    fn new_path(&self) -> PathBuf {
        let mut files = self.files();
        files.made += 1;
        self.directory
            .join(format!("{}-{}.{EXTENSION}", self.opening, files.made))
    }

    fn files(&self) -> MutexGuard<'_, Files> {
        self.files.lock().expect("nothing panics while it has the files")
    }

    fn refused(&self) -> PathBuf {
        self.directory.join("refused")
    }

    fn set_aside(&self, file: &Path) -> io::Result<()> {
        let name = file.file_name().unwrap_or_default();
        let kept = self.refused().join(name);
        fs::rename(file, &kept)?;
        tracing::warn!(
            "an unconfirmed result cannot be read; it was set aside as {}",
            kept.display()
        );
        Ok(())
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        // So that whoever looks sees what is left.
        let free = std::mem::take(&mut self.files().free);
        for path in free {
            let _ = fs::remove_file(path);
        }
    }
}

impl Files {
    fn next_moment(&mut self) -> Written {
        self.last = Written::after(self.last);
        self.last
    }
}

#[cfg(test)]
mod tests;
