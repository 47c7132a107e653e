//! How many tasks have ended, by final state.

use prost::Message as _;
use swarm_engine::noun::{counts::Counts, task::TaskState};
use swarm_proto::store;

use super::error::{Fault, StoredError};

/// How many tasks have ended, as stored.
pub fn encode_ended(ended: &Counts) -> Vec<u8> {
    write_ended(ended).encode_to_vec()
}

/// Reads how many tasks have ended.
///
/// # Errors
///
/// When the bytes are no such counts.
pub fn decode_ended(bytes: &[u8]) -> Result<Counts, StoredError> {
    store::EndedCounts::decode(bytes)
        .map(|stored| read_ended(&stored))
        .map_err(Fault::from)
        .map_err(StoredError::reading("the counts of ended tasks"))
}

pub(super) fn write_ended(ended: &Counts) -> store::EndedCounts {
    store::EndedCounts {
        succeeded: ended.of(TaskState::Succeeded),
        failed: ended.of(TaskState::Failed),
        cancelled: ended.of(TaskState::Cancelled),
        skipped: ended.of(TaskState::Skipped),
    }
}

pub(super) fn read_ended(stored: &store::EndedCounts) -> Counts {
    Counts::from_iter([
        (TaskState::Succeeded, stored.succeeded),
        (TaskState::Failed, stored.failed),
        (TaskState::Cancelled, stored.cancelled),
        (TaskState::Skipped, stored.skipped),
    ])
}
