//! The records of queues' limits: a queue without a limit has no record.

use std::sync::Arc;

use swarm_engine::{noun::queue::QueueLimit, touches::TouchedLimit};

use super::load::load_all;
use crate::{
    store::{Batch, Store},
    stored,
};

/// The kind of their keys.
pub(super) const KIND: &[u8] = b"limit/";

/// Adds the change of a limit to a batch.
pub(super) fn write(batch: &mut Batch, touched: &TouchedLimit<'_>) {
    let key = [KIND, touched.queue.as_str().as_bytes()].concat();
    match &touched.record {
        Some(limit) => batch.put(key, stored::encode_limit(limit)),
        None => batch.remove(key),
    }
}

/// Every limit.
pub(super) fn load(store: &Store) -> Result<Vec<Arc<QueueLimit>>, String> {
    load_all(store, KIND, stored::decode_limit)
}
