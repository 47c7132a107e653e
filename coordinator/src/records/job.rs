//! The records of jobs.

use std::sync::Arc;

use swarm_engine::{
    noun::job::Job,
    touches::{JobChange, TouchedJob},
};

use super::load::load_all;
use crate::{
    store::{Batch, Store, key::numbered},
    stored,
};

/// The kind of their keys.
pub(crate) const KIND: &[u8] = b"job/";

/// The key of a job.
pub(crate) fn key(number: u64) -> Vec<u8> {
    numbered(KIND, number)
}

/// Adds the change of a job to a batch. `record` is the job right after the event; a removed job has none.
pub(super) fn write(batch: &mut Batch, touched: TouchedJob<'_>, record: Option<&Job>) {
    match touched.change {
        JobChange::Removed(number) => batch.remove(key(number.0)),
        JobChange::Submitted | JobChange::Counted => {
            if let Some(job) = record {
                batch.put(key(job.number.0), stored::encode_job(job));
            }
        }
    }
}

/// Every job.
pub(super) fn load(store: &Store) -> Result<Vec<Arc<Job>>, String> {
    load_all(store, KIND, stored::decode_job)
}
