//! The outbox: unconfirmed outcomes, kept across restarts.
//!
//! ```text
//! outbox/CLUSTER/OPENING-N.report         an AttemptReport to be sent again, or nothing
//! outbox/CLUSTER/refused/TASK.ATTEMPT/    what the coordinator did not want: report, stdout, stderr, why
//! ```
//!
//! A file is used again once its report is confirmed. To write in place and sync costs an eighth of making, naming
//! and removing a file, which would be a good part of an agent's work for a short command.
//!
//! All methods block on the disk, so they are called outside the runtime's threads.

mod file;
mod refused;

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

use self::{
    file::{Content, Report, Written},
    refused::{REPORT, STDERR, STDOUT, WHY, keep_newest},
};
use super::write::{make_private, write_durably};
use crate::{
    attempt_key::AttemptKey,
    program::{file_name::is_file_name, random},
};

/// Refused results that are kept for people; the oldest are removed first.
const MAX_REFUSED: usize = 1000;
/// The longest file that can be a report: its outputs have at most twice 64 KiB.
const MAX_REPORT_BYTES: u64 = 1024 * 1024;
/// Cleared files that are kept: as many as a large machine has slots.
const MAX_FREE: usize = 64;
/// Bytes of a probe, which any outcome fits into.
const PROBE_BYTES: usize = 256 * 1024;
/// Random characters in the file names of one opening. A write of an earlier opening that still goes on touches none
/// of them.
const OPENING_CHARACTERS: usize = 10;
const EXTENSION: &str = "report";

/// The outbox for one cluster.
pub(crate) struct Outbox {
    directory: PathBuf,
    /// The beginning of its new files' names.
    opening: String,
    files: Mutex<Files>,
}

/// The files and their reports.
#[derive(Default)]
struct Files {
    /// The file of each unconfirmed report.
    taken: BTreeMap<AttemptKey, PathBuf>,
    /// Cleared files.
    free: Vec<PathBuf>,
    /// The number of files made.
    made: u64,
    /// When the last report was written.
    last: Written,
}

/// A report that an earlier process of this agent left.
pub(crate) struct Leftover {
    /// The report.
    pub(crate) report: AttemptReport,
    /// When the report was written.
    pub(crate) written: SystemTime,
}

impl Outbox {
    /// Opens the outbox below the state directory, and reads the reports of an earlier process, oldest first.
    ///
    /// Unreadable files are moved to the refused results.
    pub(crate) fn open(state: &Path, cluster_id: &str) -> io::Result<(Outbox, Vec<Leftover>)> {
        // A directory is named by the cluster id, and the coordinator is not trusted to send harmless names.
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
                // A crash cut this write short, so the outcome was never sent.
                Some("partial") => fs::remove_file(&path),
                _ => Ok(()),
            };
            // This file may be readable at the next start. The others do not wait for it.
            if let Err(error) = tidied {
                tracing::warn!(%error, "cannot tidy {} in the outbox", path.display());
            }
        }
        // A crash may have left names unsynced. They are synced before their files get other reports.
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

    /// Writes an outcome to the disk, before it is sent.
    pub(crate) fn put(&self, key: &AttemptKey, report: &AttemptReport) -> io::Result<()> {
        let content = file::bytes_of(report, self.files().next_moment())?;
        let path = match self.write_over_free(&content) {
            Some(path) => path,
            None => {
                let path = self.new_path();
                self.write_new(&path, &content).inspect_err(|_| {
                    // The file may be there, but may not survive a crash.
                    let _ = fs::remove_file(&path);
                })?;
                path
            }
        };
        let before = self.files().taken.insert(key.clone(), path);
        before.map_or(Ok(()), |path| self.free(path))
    }

    /// Writes a new file. A directory that somebody removed is made again.
    fn write_new(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        match write_durably(path, content) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                make_private(&self.refused())?;
                write_durably(path, content)
            }
            written => written,
        }
    }

    /// Writes into the first cleared file that can be written.
    fn write_over_free(&self, content: &[u8]) -> Option<PathBuf> {
        loop {
            let path = self.files().free.pop()?;
            match file::write_over(&path, content) {
                Ok(()) => return Some(path),
                // The file may hold any part of the write after a crash.
                Err(error) => {
                    tracing::debug!(%error, "cannot write over {}", path.display());
                    let _ = fs::remove_file(&path);
                }
            }
        }
    }

    /// Checks that one more outcome could be written.
    pub(crate) fn probe(&self) -> io::Result<()> {
        let file = self.directory.join("probe");
        let written = self.write_new(&file, &[0; PROBE_BYTES]);
        let _ = fs::remove_file(&file);
        written
    }

    /// The coordinator has the outcome. If a crash loses that news, the repeated report does no harm.
    pub(crate) fn confirm(&self, key: &AttemptKey) -> io::Result<()> {
        let path = self.files().taken.remove(key);
        path.map_or(Ok(()), |path| self.free(path))
    }

    /// Clears a file. Only files of this opening are used again.
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

    /// Keeps a result that the coordinator does not want, in a readable form; returns its place.
    pub(crate) fn refuse(&self, key: &AttemptKey, report: &AttemptReport, why: &str) -> io::Result<PathBuf> {
        let kept = self.refused().join(key.to_string());
        make_private(&kept)?;
        let mut report = report.clone();
        let output = report.output.take().unwrap_or_default();
        write_durably(&kept.join(STDOUT), &output.stdout)?;
        write_durably(&kept.join(STDERR), &output.stderr)?;
        write_durably(&kept.join(WHY), format!("{why}\n").as_bytes())?;
        // The lease has ended, and its token stays secret.
        if let Some(lease) = &mut report.lease {
            lease.lease_token.clear();
        }
        report.output = Some(output);
        write_durably(&kept.join(REPORT), &report.encode_to_vec())?;
        self.confirm(key)?;
        keep_newest(&self.refused(), MAX_REFUSED);
        Ok(kept)
    }

    /// Takes over a file of an earlier process. A cleared file is removed, and an unreadable one set aside.
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
        // The earlier process may have been killed before its sync.
        File::options().write(true).open(&path)?.sync_data()?;
        let mut files = self.files();
        files.last = files.last.max(report.written);
        // A power loss can bring back a confirmed report, beside a later one of the same attempt.
        if let Some(other) = reports.get(&report.key)
            && other.written > report.written
        {
            return fs::remove_file(path);
        }
        let older = files.taken.insert(report.key.clone(), path);
        reports.insert(report.key.clone(), report);
        older.map_or(Ok(()), fs::remove_file)
    }

    /// A path for a new file.
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
        // People who look into the outbox see only unconfirmed reports.
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
