//! The record of a job, and the id by which a task names its job.

use prost::Message as _;
use swarm_engine::{
    id::{JobId, Number},
    noun::{counts::Counts, job::Job},
    time::Timestamp,
};
use swarm_proto::store;

use super::{
    ended::{read_ended, write_ended},
    error::{Fault, StoredError},
    field::{filled, optional},
};

/// A job's record as stored.
pub fn encode_job(job: &Job) -> Vec<u8> {
    write_job(job).encode_to_vec()
}

/// Reads a job's record.
///
/// # Errors
///
/// When the bytes are no record of a job.
pub fn decode_job(bytes: &[u8]) -> Result<Job, StoredError> {
    store::JobRecord::decode(bytes)
        .map_err(Fault::from)
        .and_then(read_job)
        .map_err(StoredError::reading("the record of a job"))
}

pub(super) fn write_job(job: &Job) -> store::JobRecord {
    store::JobRecord {
        number: job.number.0,
        job_id: job.id.to_string(),
        name: job.name.to_string(),
        labels: job.labels.clone(),
        task_count: job.task_count,
        created_ms: job.created.0,
        ended: (job.ended != Counts::default()).then(|| write_ended(&job.ended)),
    }
}

pub(super) fn read_job(stored: store::JobRecord) -> Result<Job, Fault> {
    Ok(Job {
        number: Number(stored.number),
        id: JobId::stored(filled("the job's id", &stored.job_id)?),
        name: stored.name.into(),
        labels: stored.labels,
        task_count: stored.task_count,
        created: Timestamp(stored.created_ms),
        ended: stored.ended.as_ref().map(read_ended).unwrap_or_default(),
    })
}

/// The job's id as a task stores it; empty for a task without a job.
pub(super) fn write_job_id(job: Option<&JobId>) -> String {
    job.map(ToString::to_string).unwrap_or_default()
}

pub(super) fn read_job_id(stored: &str) -> Option<JobId> {
    optional(stored).map(JobId::stored)
}
