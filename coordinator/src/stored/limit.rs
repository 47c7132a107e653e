//! The record of a queue's limit.

use prost::Message as _;
use swarm_engine::{id::QueueName, noun::queue::QueueLimit};
use swarm_proto::store;

use super::{
    error::{Fault, StoredError},
    field::{filled, required},
};

/// The limit of a queue as stored.
pub fn encode_limit(limit: &QueueLimit) -> Vec<u8> {
    store::QueueLimitRecord {
        queue: limit.queue.to_string(),
        max_running: Some(limit.max_running),
        actor: limit.actor.to_string(),
    }
    .encode_to_vec()
}

/// Reads the limit of a queue.
///
/// # Errors
///
/// When the bytes are no limit.
pub fn decode_limit(bytes: &[u8]) -> Result<QueueLimit, StoredError> {
    store::QueueLimitRecord::decode(bytes)
        .map_err(Fault::from)
        .and_then(read_limit)
        .map_err(StoredError::reading("the limit of a queue"))
}

fn read_limit(stored: store::QueueLimitRecord) -> Result<QueueLimit, Fault> {
    Ok(QueueLimit {
        queue: QueueName::stored(filled("the limited queue", &stored.queue)?),
        max_running: required("the queue's limit", stored.max_running)?,
        actor: stored.actor.into(),
    })
}
