//! Outcomes that the coordinator has not confirmed, kept across restarts.
//!
//! ```text
//! outbox/CLUSTER/TASK.ATTEMPT.report      an encoded AttemptReport, to be sent again
//! outbox/CLUSTER/refused/TASK.ATTEMPT/    what the coordinator did not want: report, stdout, stderr, why
//! ```
//!
//! Everything here blocks on the disk; callers keep it off the runtime's threads.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use prost::Message as _;
use swarm_proto::v1::AttemptReport;

use crate::{
    config::is_file_name,
    held::AttemptKey,
    state_directory::{make_private, write_durably},
    workspace::keep_newest,
};

/// Refused results are for people to look at; beyond this the oldest go.
const MAX_REFUSED: usize = 1000;
/// A file beyond this is no report of ours: of output there are at most twice 64 KiB.
const MAX_REPORT_BYTES: u64 = 1024 * 1024;
/// What must fit for an outcome to be sure to.
const PROBE_BYTES: usize = 256 * 1024;
const EXTENSION: &str = "report";

/// The outbox for one coordinator's data.
pub(crate) struct Outbox {
    directory: PathBuf,
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
        };
        make_private(&outbox.refused())?;
        let mut leftovers = Vec::new();
        for entry in fs::read_dir(&outbox.directory)? {
            let path = entry?.path();
            let read = match path.extension().and_then(|extension| extension.to_str()) {
                Some(EXTENSION) => outbox.read(&path),
                // A write that a crash cut short: its attempt was never reported.
                Some("partial") => fs::remove_file(&path).map(|()| None),
                _ => Ok(None),
            };
            // What cannot be read now may be at the next start; the others are not to wait for it.
            match read {
                Ok(leftover) => leftovers.extend(leftover),
                Err(error) => tracing::warn!(%error, "cannot tidy {} in the outbox", path.display()),
            }
        }
        leftovers.sort_by_key(|leftover| leftover.written);
        Ok((outbox, leftovers))
    }

    /// Puts an outcome on the disk, before it is sent.
    pub(crate) fn put(&self, key: &AttemptKey, report: &AttemptReport) -> io::Result<()> {
        write_durably(&self.file(key), &report.encode_to_vec())
    }

    /// Finds out whether one more outcome could be written.
    pub(crate) fn probe(&self) -> io::Result<()> {
        let file = self.directory.join("probe");
        let written = write_durably(&file, &[0; PROBE_BYTES]);
        let _ = fs::remove_file(&file);
        written
    }

    /// The coordinator has it. If the removal is lost in a crash, a repeat does no harm.
    pub(crate) fn confirm(&self, key: &AttemptKey) -> io::Result<()> {
        match fs::remove_file(self.file(key)) {
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

    /// What is in a file; nothing, and it is set aside, when that is no report.
    fn read(&self, path: &Path) -> io::Result<Option<Leftover>> {
        let metadata = fs::metadata(path)?;
        let written = metadata.modified()?;
        if metadata.len() <= MAX_REPORT_BYTES
            && let Ok(report) = AttemptReport::decode(fs::read(path)?.as_slice())
            && report.lease.is_some()
        {
            return Ok(Some(Leftover { report, written }));
        }
        self.set_aside(path)?;
        Ok(None)
    }

    fn file(&self, key: &AttemptKey) -> PathBuf {
        self.directory.join(format!("{key}.{EXTENSION}"))
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
    fn a_damaged_file_is_set_aside_and_blocks_nothing() {
        let state = tempfile::tempdir().unwrap();
        let (key, sent) = report("a");
        let (outbox, _) = Outbox::open(state.path(), "c1").unwrap();
        outbox.put(&key, &sent).unwrap();
        fs::write(outbox.directory.join("b.1.report"), b"\xff\xff").unwrap();
        fs::write(outbox.directory.join("c.1.report.partial"), b"half").unwrap();
        fs::create_dir(outbox.directory.join("d.1.report.partial")).unwrap();
        let (outbox, leftovers) = Outbox::open(state.path(), "c1").unwrap();
        assert_eq!(leftovers.len(), 1);
        assert!(outbox.refused().join("b.1.report").exists());
        assert!(!outbox.directory.join("c.1.report.partial").exists());
    }
}
