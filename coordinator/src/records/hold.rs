//! The records of holds: a hold is there until it is lifted.

use std::sync::Arc;

use swarm_engine::{noun::hold::Hold, touches::TouchedHold};

use super::load::load_all;
use crate::{
    store::{Batch, Store},
    stored,
};

/// The kind of their keys.
pub(super) const KIND: &[u8] = b"hold/";

/// Adds the change of a hold to a batch.
pub(super) fn write(batch: &mut Batch, touched: TouchedHold<'_>) {
    // A scope is one word or two.
    let key = [KIND, touched.scope.to_string().as_bytes()].concat();
    match touched.record {
        Some(hold) => batch.put(key, stored::encode_hold(hold)),
        None => batch.remove(key),
    }
}

/// Every hold.
pub(super) fn load(store: &Store) -> Result<Vec<Arc<Hold>>, String> {
    load_all(store, KIND, stored::decode_hold)
}
