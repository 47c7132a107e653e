//! Jobs, with the counts of their tasks.

use std::sync::Arc;

use swarm_engine::{
    id::Number,
    noun::{counts::Counts, job::Job},
    rejection::Rejection,
};
use swarm_proto::v1;

use super::{
    Context, Refusal,
    page::{self, Tokens},
};
use crate::{
    program::limits::MAX_JOBS_VISITED,
    wire::{field, job::job_message},
};

/// Shows a job.
///
/// # Errors
///
/// When there is none with this id.
pub(crate) async fn get(cx: &Context, request: v1::GetJobRequest) -> Result<v1::GetJobResponse, Refusal> {
    let id = field::job_id("job_id", &request.job_id)?;
    let answer = cx
        .core
        .read(|state| state.job(&id).map(|job| (job.clone(), state.job_counts(&id))))
        .await;
    let as_of = cx.as_of(&answer);
    let (job, counts) = answer.value.ok_or(Rejection::JobNotFound(id))?;
    Ok(v1::GetJobResponse {
        as_of,
        job: Some(job_message(&job, &counts)),
    })
}

/// Lists jobs by their age; of a name, as many as are found among [`MAX_JOBS_VISITED`] jobs.
///
/// # Errors
///
/// When the page token is none of this list.
pub(crate) async fn list(
    cx: &Context,
    request: v1::ListJobsRequest,
) -> Result<v1::ListJobsResponse, Refusal> {
    let size = page::size(request.page_size);
    let direction = page::direction(request.newest_first);
    let list = v1::ListJobsRequest {
        newest_first: request.newest_first,
        name: request.name.clone(),
        ..Default::default()
    };
    let tokens = Tokens::of(&list, direction);
    let cursor = tokens.read(&request.page_token)?;
    let answer = cx
        .core
        .read(|state| {
            let mut found: Vec<(Arc<Job>, Counts)> = Vec::new();
            let mut last = None;
            for (visited, job) in state.jobs_behind(cursor, direction).enumerate() {
                if found.len() == size || visited == MAX_JOBS_VISITED {
                    return (found, last);
                }
                last = Some(job.number);
                if request.name.is_empty() || *job.name == *request.name {
                    found.push((Arc::clone(job), state.job_counts(&job.id)));
                }
            }
            (found, None)
        })
        .await;
    let as_of = cx.as_of(&answer);
    let (jobs, last) = answer.value;
    let next = last.map(|last| tokens.write(last));
    let jobs = jobs.iter().map(|(job, counts)| job_message(job, counts));
    let (jobs, next_page_token) = page::fit(jobs, next, |job: &v1::Job| tokens.write(Number(job.number)));
    Ok(v1::ListJobsResponse {
        as_of,
        jobs,
        next_page_token,
    })
}
