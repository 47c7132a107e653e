//! A file of the outbox: one report, or none.
//!
//! ```text
//! length u32 · CRC-32C of the report u32 · the encoded report · whatever longer one was there before
//! ```
//!
//! Numbers are little endian. A length of zero is no report.

use std::{fs::OpenOptions, io, os::unix::fs::FileExt as _, path::Path};

use prost::Message as _;
use swarm_proto::v1::AttemptReport;

use super::EXTENSION;
use crate::held::AttemptKey;

const HEADER_BYTES: usize = 8;

/// What is in a file.
pub(super) enum Content {
    /// No report, or one that was confirmed.
    Nothing,
    /// An unconfirmed one.
    Report(AttemptKey, Box<AttemptReport>),
    /// A write that a crash cut short, or damage.
    Unreadable,
}

/// What these bytes of a file are.
pub(super) fn content_of(bytes: &[u8]) -> Content {
    let Some((header, rest)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
        return Content::Unreadable;
    };
    let [l0, l1, l2, l3, checksum @ ..] = *header;
    let length = u32::from_le_bytes([l0, l1, l2, l3]);
    if length == 0 {
        return Content::Nothing;
    }
    let report = usize::try_from(length)
        .ok()
        .and_then(|length| rest.get(..length))
        .filter(|report| crc32c::crc32c(report) == u32::from_le_bytes(checksum))
        .and_then(|report| AttemptReport::decode(report).ok());
    let key = report
        .as_ref()
        .and_then(|report| report.lease.as_ref().map(AttemptKey::of));
    match (key, report) {
        (Some(key), Some(report)) => Content::Report(key, Box::new(report)),
        _ => Content::Unreadable,
    }
}

/// The bytes of a file with this encoded report.
pub(super) fn framed(report: &[u8]) -> io::Result<Vec<u8>> {
    let length = u32::try_from(report.len()).map_err(io::Error::other)?;
    Ok([
        &length.to_le_bytes(),
        &crc32c::crc32c(report).to_le_bytes(),
        report,
    ]
    .concat())
}

/// Writes at the beginning of a file that is there, and syncs it. Its length is not changed, unless it is too short:
/// what would have to be synced besides costs more than the content.
pub(super) fn write_over(file: &Path, content: &[u8]) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(file)?;
    file.write_all_at(content, 0)?;
    file.sync_data()
}

/// The number that names a file.
pub(super) fn number_of(path: &Path) -> Option<u32> {
    let name = path.file_name()?.to_str()?;
    let number = name.split('.').next()?.parse().ok()?;
    (name == name_of(number)).then_some(number)
}

/// The name of a file.
pub(super) fn name_of(number: u32) -> String {
    format!("{number}.{EXTENSION}")
}

/// Takes the report out. That is not synced: if it comes back after a power loss, it is sent again.
pub(super) fn clear(path: &Path) -> io::Result<()> {
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
            }),
            ..AttemptReport::default()
        };
        for (before, after) in [("before", "after-it"), ("a-long-one-before", "after")] {
            let (before, after) = (report(before), report(after));
            let old = framed(&before.encode_to_vec()).unwrap();
            let new = framed(&after.encode_to_vec()).unwrap();
            for cut in 0..=new.len() {
                let torn = [&new[..cut], old.get(cut..).unwrap_or_default()].concat();
                match content_of(&torn) {
                    Content::Report(_, report) if cut == 0 => assert_eq!(*report, before),
                    Content::Report(_, report) => assert!(cut == new.len() && *report == after, "{cut}"),
                    Content::Unreadable => assert!(cut > 0 && cut < new.len(), "{cut}"),
                    Content::Nothing => panic!("{cut}: there was something"),
                }
            }
        }
    }
}
