//! Events and records as they are in journal and store.

use bytes::Bytes;
use swarm_coordinator::stored;
use swarm_engine::id::Seq;

/// The seq of every event; the rest of an event does not depend on it.
const SEQ: Seq = Seq(7);

/// Panics when a record that can be read is another one after it was written and read again.
type Check = fn(&[u8]);

macro_rules! comes_back {
    ($decode:path, $encode:path) => {
        |bytes| {
            if let Ok(read) = $decode(bytes) {
                assert_eq!($decode(&$encode(&read)).ok(), Some(read));
            }
        }
    };
}

/// The kinds of records, in the order of their numbers from 1: the end of the names of their golden files, and their
/// check.
pub const RECORDS: [(&str, Check); 7] = [
    (
        "task_record",
        comes_back!(stored::decode_task, stored::encode_task),
    ),
    ("job_record", comes_back!(stored::decode_job, stored::encode_job)),
    (
        "agent_record",
        comes_back!(stored::decode_agent, stored::encode_agent),
    ),
    (
        "output_record",
        comes_back!(stored::decode_output, stored::encode_output),
    ),
    (
        "hold_record",
        comes_back!(stored::decode_hold, stored::encode_hold),
    ),
    (
        "limit_record",
        comes_back!(stored::decode_limit, stored::encode_limit),
    ),
    (
        "ended_counts",
        comes_back!(stored::decode_ended, stored::encode_ended),
    ),
];

/// The first byte is the number of a kind of record, or 0 for an event; the others are its bytes.
pub(super) fn run(bytes: &[u8]) {
    let Some((kind, bytes)) = bytes.split_first() else {
        return;
    };
    match usize::from(*kind) % (RECORDS.len() + 1) {
        0 => {
            if let Ok(event) = stored::decode(SEQ, Bytes::copy_from_slice(bytes)) {
                assert_eq!(stored::decode(SEQ, stored::encode(&event)).ok(), Some(event));
            }
        }
        record => RECORDS[record - 1].1(bytes),
    }
}
