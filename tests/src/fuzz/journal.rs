//! A journal of any bytes.

use std::{fs, path::Path};

use bytes::Bytes;
use swarm_coordinator::journal::{Floor, Journal, Options, inspect, reseal};
use tempfile::TempDir;

/// The corpus was written with it.
const SEGMENT_BYTES: u64 = 1024;

/// Segments in one input.
const MAX_SEGMENTS: usize = 4;

/// The first byte's lowest bit asks for right checksums. Then, each with two bytes of length before it: the
/// high-water file, which is left out when it is empty, and the segments, named by the seq in their headers.
pub(super) fn run(bytes: &[u8]) {
    let Some((flags, mut rest)) = bytes.split_first() else {
        return;
    };
    let dir = TempDir::new_in("/dev/shm")
        .or_else(|_| TempDir::new())
        .expect("a directory can be made");
    let high_water = part(&mut rest);
    if !high_water.is_empty() {
        fs::write(dir.path().join("high-water"), high_water).expect("a file can be written");
    }
    for _ in 0..MAX_SEGMENTS {
        let mut segment = part(&mut rest).to_vec();
        if segment.is_empty() {
            break;
        }
        if flags & 1 != 0 {
            reseal(&mut segment);
        }
        let seq = segment.get(8..16).and_then(|seq| seq.try_into().ok());
        let name = format!("{:020}.seg", seq.map_or(1, u64::from_le_bytes));
        fs::write(dir.path().join(name), segment).expect("a file can be written");
    }
    try_to_read(dir.path());
}

fn part<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let Some((length, behind)) = rest.split_first_chunk() else {
        return &[];
    };
    let length = usize::from(u16::from_le_bytes(*length)).min(behind.len());
    let (part, behind) = behind.split_at(length);
    *rest = behind;
    part
}

/// Every later opening believes what the first one believed, and the journal can be written on.
fn try_to_read(dir: &Path) {
    let options = Options {
        segment_bytes: SEGMENT_BYTES,
    };
    // With the second floor a journal may begin anywhere.
    let floors = [0, u64::MAX - 1].map(|snapshot_seq| Floor {
        snapshot_seq,
        ..Floor::default()
    });
    for floor in floors {
        let seen = inspect(dir, floor).map(|seen| seen.last).ok();
        let Ok(opened) = Journal::open(dir, options, floor) else {
            assert_eq!(seen, None, "what can be read can be opened");
            continue;
        };
        let mut journal = opened.journal;
        let last = journal.upkeep().position();
        if last.seq > 0 {
            assert_eq!(seen, Some(last));
        }
        let reader = journal.reader();
        let mut next = reader.oldest_seq();
        while next <= last.seq {
            // Events that do not fill their entry are found when they are read.
            let Ok(page) = reader.read(next, last.seq, 1) else {
                break;
            };
            next = page.last().expect("there is something up to the last seq").0 + 1;
        }
        if last.seq < u64::MAX / 2 {
            let through = journal.append(u64::MAX, &[Bytes::from_static(b"an event")]);
            let through = through.expect("what was opened can be appended to");
            drop(journal);
            let again = Journal::open(dir, options, floor).map(|opened| opened.journal.last_seq());
            assert_eq!(again.ok(), Some(through), "what was appended is found");
        }
    }
}
