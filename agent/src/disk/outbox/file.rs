//! A file of the outbox: one report, or none.
//!
//! ```text
//! length u32 · CRC-32C of what follows u32 · time of the write u64 · the encoded report · rest of an older one
//! ```
//!
//! Numbers are little endian. A length of zero means no report. Times are microseconds since 1970, and no two are
//! equal: of two reports of one attempt the later one counts.

use std::{
    fs::OpenOptions,
    io,
    os::unix::fs::FileExt as _,
    path::Path,
    time::{Duration, SystemTime},
};

use prost::Message as _;
use swarm_proto::v1::AttemptReport;

use crate::attempt_key::AttemptKey;

/// Length and checksum.
const HEADER_BYTES: usize = 8;

/// When a report was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Written(u64);

impl Written {
    /// The time now, but later than `earlier`.
    pub(crate) fn after(earlier: Written) -> Written {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now = now.map_or(0, |now| u64::try_from(now.as_micros()).unwrap_or(u64::MAX));
        Written(now.max(earlier.0.saturating_add(1)))
    }

    /// The same moment as a `SystemTime`.
    pub(crate) fn time(self) -> SystemTime {
        let since = Duration::from_micros(self.0);
        SystemTime::UNIX_EPOCH
            .checked_add(since)
            .unwrap_or(SystemTime::UNIX_EPOCH)
    }
}

/// The content of a file.
pub(crate) enum Content {
    /// No report, or a confirmed one.
    Nothing,
    /// An unconfirmed report.
    Report(Box<Report>),
    /// A write that a crash cut short, or damage.
    Unreadable,
}

/// An unconfirmed report.
#[derive(Debug, PartialEq)]
pub(crate) struct Report {
    pub(crate) key: AttemptKey,
    pub(crate) report: AttemptReport,
    pub(crate) written: Written,
}

/// Reads the bytes of a file.
pub(crate) fn content_of(bytes: &[u8]) -> Content {
    let Some((header, rest)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
        return Content::Unreadable;
    };
    let [l0, l1, l2, l3, checksum @ ..] = *header;
    let length = u32::from_le_bytes([l0, l1, l2, l3]);
    if length == 0 {
        return Content::Nothing;
    }
    let body = usize::try_from(length)
        .ok()
        .and_then(|length| rest.get(..length))
        .filter(|body| crc32c::crc32c(body) == u32::from_le_bytes(checksum));
    match body.and_then(report_of) {
        Some(report) => Content::Report(Box::new(report)),
        None => Content::Unreadable,
    }
}

fn report_of(body: &[u8]) -> Option<Report> {
    let (written, report) = body.split_first_chunk()?;
    let report = AttemptReport::decode(report).ok()?;
    Some(Report {
        key: AttemptKey::of(report.lease.as_ref()?),
        report,
        written: Written(u64::from_le_bytes(*written)),
    })
}

/// The bytes of a file with this report.
pub(crate) fn bytes_of(report: &AttemptReport, written: Written) -> io::Result<Vec<u8>> {
    let body = [&written.0.to_le_bytes(), report.encode_to_vec().as_slice()].concat();
    let length = u32::try_from(body.len()).map_err(io::Error::other)?;
    Ok([
        &length.to_le_bytes(),
        &crc32c::crc32c(&body).to_le_bytes(),
        body.as_slice(),
    ]
    .concat())
}

/// Writes over the beginning of an existing file, and syncs the content. The file is never shortened: to sync a new
/// length costs more than to sync the content.
pub(crate) fn write_over(file: &Path, content: &[u8]) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(file)?;
    file.write_all_at(content, 0)?;
    file.sync_data()
}

/// Clears a file, without a sync. A report that a power loss brings back is sent again.
pub(crate) fn clear(path: &Path) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(path)?;
    file.write_all_at(&[0; HEADER_BYTES], 0)
}

#[cfg(test)]
mod tests {
    use swarm_proto::v1::LeaseRef;

    use super::*;

    #[test]
    fn a_write_over_another_report_that_was_cut_short_is_neither() {
        let report = |task_id: &str| AttemptReport {
            lease: Some(LeaseRef {
                task_id: task_id.to_owned(),
                attempt: 1,
                lease_token: b"sixteen bytes !!".to_vec(),
                run_time: None,
            }),
            ..AttemptReport::default()
        };
        for (before, after) in [("before", "after-it"), ("a-long-one-before", "after")] {
            let before = bytes_of(&report(before), Written(1)).unwrap();
            let after = bytes_of(&report(after), Written(2)).unwrap();
            let whole = [&after, before.get(after.len()..).unwrap_or_default()].concat();
            let mut padded = before.clone();
            padded.resize(whole.len(), 0);
            for cut in 0..=whole.len() {
                // Either the beginning of the write has reached the disk, or its end.
                for torn in [[&whole[..cut], &padded[cut..]], [&padded[..cut], &whole[cut..]]] {
                    let torn = torn.concat();
                    let found = match content_of(&torn) {
                        Content::Report(report) => Some(report.written),
                        Content::Unreadable => None,
                        Content::Nothing => panic!("{cut}: there was something"),
                    };
                    let expected = if torn.starts_with(&after) {
                        Some(Written(2))
                    } else {
                        torn.starts_with(&before).then_some(Written(1))
                    };
                    assert_eq!(found, expected, "{cut}");
                }
            }
        }
    }
}
