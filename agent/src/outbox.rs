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
use swarm_proto::v1::AttemptReport;

use self::file::{Content, Report, Written};
use crate::{
    config::is_file_name,
    held::AttemptKey,
    random,
    state_directory::{make_private, write_durably},
    workspace::keep_newest,
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
        if !is_file_name(cluster_id, 128) {
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
mod tests {
    use swarm_proto::v1::{LeaseRef, Output, Success, attempt_report::Outcome};

    use super::*;

    fn report(task_id: &str) -> (AttemptKey, AttemptReport) {
        let lease = LeaseRef {
            task_id: task_id.to_owned(),
            attempt: 2,
            lease_token: b"sixteen bytes !!".to_vec(),
        };
        let output = Output {
            stdout: b"out".to_vec(),
            stderr: b"err".to_vec(),
            stdout_bytes: 3,
            stderr_bytes: 3,
        };
        let key = AttemptKey::of(&lease);
        let outcome = Some(Outcome::Success(Success {}));
        (
            key,
            AttemptReport {
                lease: Some(lease),
                output: Some(output),
                outcome,
            },
        )
    }

    /// The files in an outbox, but for the directory of the refused ones.
    fn files(outbox: &Outbox) -> Vec<PathBuf> {
        let entries = fs::read_dir(&outbox.directory).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        paths.filter(|path| path.is_file()).collect()
    }

    #[test]
    fn an_outcome_survives_until_it_is_confirmed() {
        let state = tempfile::tempdir().unwrap();
        let (key, sent) = report("a");
        let (outbox, leftovers) = Outbox::open(state.path(), "c1").unwrap();
        assert!(leftovers.is_empty());
        outbox.put(&key, &sent).unwrap();
        let (outbox, leftovers) = Outbox::open(state.path(), "c1").unwrap();
        assert_eq!(leftovers[0].report, sent);
        outbox.confirm(&key).unwrap();
        outbox.confirm(&key).unwrap();
        assert!(Outbox::open(state.path(), "c1").unwrap().1.is_empty());
    }

    #[test]
    fn outcomes_of_one_coordinator_are_not_seen_by_another() {
        let state = tempfile::tempdir().unwrap();
        let (key, sent) = report("a");
        Outbox::open(state.path(), "c1")
            .unwrap()
            .0
            .put(&key, &sent)
            .unwrap();
        assert!(Outbox::open(state.path(), "c2").unwrap().1.is_empty());
        assert!(Outbox::open(state.path(), "../c1").is_err());
    }

    #[test]
    fn a_refused_result_stays_readable_and_its_token_does_not() {
        let state = tempfile::tempdir().unwrap();
        let (key, sent) = report("a");
        let (outbox, _) = Outbox::open(state.path(), "c1").unwrap();
        outbox.put(&key, &sent).unwrap();
        let kept = outbox.refuse(&key, &sent, "somebody else has it").unwrap();
        assert_eq!(fs::read(kept.join("stdout")).unwrap(), b"out");
        assert_eq!(
            fs::read_to_string(kept.join("why")).unwrap(),
            "somebody else has it\n"
        );
        assert!(
            !fs::read(kept.join("report"))
                .unwrap()
                .windows(16)
                .any(|w| w == b"sixteen bytes !!")
        );
        assert!(Outbox::open(state.path(), "c1").unwrap().1.is_empty());
    }

    #[test]
    fn a_file_is_written_over_once_its_report_is_confirmed_and_never_before() {
        let state = tempfile::tempdir().unwrap();
        let (outbox, _) = Outbox::open(state.path(), "c1").unwrap();
        let long = |task_id: &str| {
            let (key, mut report) = report(task_id);
            report.output.get_or_insert_default().stdout = vec![b'x'; 10_000];
            (key, report)
        };
        let (a, b, c, d) = (long("a"), report("b"), report("c"), long("d"));
        outbox.put(&a.0, &a.1).unwrap();
        outbox.confirm(&a.0).unwrap();
        // Where a long one was; and a longer one where that was.
        for (key, sent) in [&b, &c] {
            outbox.put(key, sent).unwrap();
        }
        outbox.confirm(&b.0).unwrap();
        outbox.put(&d.0, &d.1).unwrap();
        assert_eq!(files(&outbox).len(), 2);

        let (outbox, leftovers) = Outbox::open(state.path(), "c1").unwrap();
        let mut left: Vec<_> = leftovers.into_iter().map(|left| left.report).collect();
        left.sort_by_key(|report| report.lease.clone().unwrap().task_id);
        assert_eq!(left, [c.1.clone(), d.1.clone()]);
        // Those of an earlier process are in nobody's way.
        outbox.put(&b.0, &b.1).unwrap();
        outbox.confirm(&c.0).unwrap();
        outbox.confirm(&d.0).unwrap();
        let (outbox, leftovers) = Outbox::open(state.path(), "c1").unwrap();
        assert_eq!(
            leftovers.into_iter().map(|left| left.report).collect::<Vec<_>>(),
            [b.1]
        );
        assert_eq!(files(&outbox).len(), 1);
    }

    #[test]
    fn no_more_free_files_are_kept_than_the_bound() {
        let state = tempfile::tempdir().unwrap();
        let (outbox, _) = Outbox::open(state.path(), "c1").unwrap();
        let reports: Vec<_> = (0..=MAX_FREE).map(|n| report(&format!("t{n}"))).collect();
        for (key, sent) in &reports {
            outbox.put(key, sent).unwrap();
        }
        for (key, _) in &reports {
            outbox.confirm(key).unwrap();
        }
        assert_eq!(files(&outbox).len(), MAX_FREE);
        let directory = outbox.directory.clone();
        drop(outbox);
        assert_eq!(fs::read_dir(directory).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_was_taken_away_stands_in_nobodys_way() {
        let state = tempfile::tempdir().unwrap();
        let (outbox, _) = Outbox::open(state.path(), "c1").unwrap();
        let (key, sent) = report("a");
        outbox.put(&key, &sent).unwrap();
        outbox.confirm(&key).unwrap();
        fs::remove_file(files(&outbox).remove(0)).unwrap();
        outbox.put(&key, &sent).unwrap();
        assert_eq!(Outbox::open(state.path(), "c1").unwrap().1.len(), 1);
    }

    #[test]
    fn of_two_reports_of_one_attempt_the_later_one_counts() {
        let state = tempfile::tempdir().unwrap();
        let (outbox, _) = Outbox::open(state.path(), "c1").unwrap();
        let (key, first) = report("a");
        let mut second = first.clone();
        second.lease.as_mut().unwrap().lease_token = b"another sixteen!".to_vec();
        outbox.put(&key, &first).unwrap();
        let lost_confirmation = fs::read(files(&outbox).remove(0)).unwrap();
        outbox.confirm(&key).unwrap();
        outbox.put(&key, &second).unwrap();
        for name in ["0.report", "zzzzzzzzzz.report"] {
            // As a power loss brings it back.
            fs::write(outbox.directory.join(name), &lost_confirmation).unwrap();
            let (outbox, leftovers) = Outbox::open(state.path(), "c1").unwrap();
            let left: Vec<_> = leftovers.into_iter().map(|left| left.report).collect();
            assert_eq!(left, [second.clone()]);
            assert_eq!(files(&outbox).len(), 1);
        }
        outbox.put(&key, &second).unwrap();
        assert_eq!(outbox.files().taken.len(), 1);
        outbox.confirm(&key).unwrap();
        assert!(Outbox::open(state.path(), "c1").unwrap().1.is_empty());
    }

    #[test]
    fn an_outcome_that_could_not_be_written_leaves_nothing_behind() {
        let state = tempfile::tempdir().unwrap();
        let (outbox, _) = Outbox::open(state.path(), "c1").unwrap();
        let (key, sent) = report("a");
        let obstacle = outbox
            .directory
            .join(format!("{}-1.report.partial", outbox.opening));
        fs::create_dir(&obstacle).unwrap();
        outbox.put(&key, &sent).unwrap_err();
        outbox.put(&key, &sent).unwrap();
        outbox.confirm(&key).unwrap();
        fs::remove_dir(obstacle).unwrap();
        let directory = outbox.directory.clone();
        drop(outbox);
        assert_eq!(fs::read_dir(directory).unwrap().count(), 1);
    }

    #[test]
    fn what_an_earlier_opening_still_does_changes_nothing() {
        let state = tempfile::tempdir().unwrap();
        let (earlier, _) = Outbox::open(state.path(), "c1").unwrap();
        let (a, b) = (report("a"), report("b"));
        earlier.put(&a.0, &a.1).unwrap();
        earlier.confirm(&a.0).unwrap();
        let (outbox, _) = Outbox::open(state.path(), "c1").unwrap();
        outbox.put(&b.0, &b.1).unwrap();
        drop(earlier);
        drop(outbox);
        assert_eq!(Outbox::open(state.path(), "c1").unwrap().1.len(), 1);
    }

    #[test]
    fn a_damaged_file_is_set_aside_and_blocks_nothing() {
        let state = tempfile::tempdir().unwrap();
        let (key, sent) = report("a");
        let (outbox, _) = Outbox::open(state.path(), "c1").unwrap();
        outbox.put(&key, &sent).unwrap();
        let mut damaged = fs::read(files(&outbox).remove(0)).unwrap();
        damaged[11] ^= 1;
        fs::write(outbox.directory.join("1.report"), damaged).unwrap();
        fs::write(outbox.directory.join("2.report"), b"half").unwrap();
        fs::write(outbox.directory.join("b.1.report"), b"none of ours").unwrap();
        fs::write(outbox.directory.join("3.report.partial"), b"half").unwrap();
        fs::create_dir(outbox.directory.join("4.report.partial")).unwrap();
        let (outbox, leftovers) = Outbox::open(state.path(), "c1").unwrap();
        assert_eq!(leftovers.len(), 1);
        assert_eq!(fs::read_dir(outbox.refused()).unwrap().count(), 3);
        assert!(!outbox.directory.join("3.report.partial").exists());
    }
}
