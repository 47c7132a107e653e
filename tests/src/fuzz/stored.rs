//! Events and records as they are in journal and store.

use bytes::Bytes;
use swarm_coordinator::stored;
use swarm_engine::id::Seq;

/// Any; what an event says of itself does not depend on it.
const SEQ: Seq = Seq(7);

/// The first byte says what the others are. What can be read is the same when it was written and read again.
pub(super) fn run(bytes: &[u8]) {
    let Some((kind, bytes)) = bytes.split_first() else {
        return;
    };
    macro_rules! comes_back {
        ($decode:path, $encode:path) => {
            if let Ok(read) = $decode(bytes) {
                assert_eq!($decode(&$encode(&read)).ok(), Some(read));
            }
        };
    }
    match kind % 8 {
        0 => {
            if let Ok(event) = stored::decode(SEQ, Bytes::copy_from_slice(bytes)) {
                assert_eq!(stored::decode(SEQ, stored::encode(&event)).ok(), Some(event));
            }
        }
        1 => comes_back!(stored::decode_task, stored::encode_task),
        2 => comes_back!(stored::decode_job, stored::encode_job),
        3 => comes_back!(stored::decode_agent, stored::encode_agent),
        4 => comes_back!(stored::decode_output, stored::encode_output),
        5 => comes_back!(stored::decode_hold, stored::encode_hold),
        6 => comes_back!(stored::decode_limit, stored::encode_limit),
        _ => comes_back!(stored::decode_ended, stored::encode_ended),
    }
}
