//! People's side: what finds tasks, jobs and ids.

use std::sync::Arc;

use swarm_engine::{
    id::Number,
    limits::MAX_ID_BYTES,
    noun::{counts::Counts, job::Job},
};
use swarm_proto::v1;
use tonic::Status;

use super::page::{self, Tokens};
use crate::recall::Refused;
use crate::{
    door::grpc::{
        Service, invalid,
        status::{status_of, status_of_refused},
    },
    wire::{filter, job::job_message, task::task_message},
};

/// Ids of each kind unless asked otherwise.
const DEFAULT_IDS: usize = 10;

/// Ids of each kind in one answer: people cannot choose among more.
const MAX_IDS: usize = 100;

impl Service {
    pub(crate) async fn tasks_listed(
        &self,
        request: v1::ListTasksRequest,
    ) -> Result<v1::ListTasksResponse, Status> {
        let size = page::size(request.page_size);
        let list = v1::ListTasksRequest {
            page_size: 0,
            page_token: String::new(),
            ..request.clone()
        };
        let tokens = Tokens::of(&list, filter::order(request.newest_first));
        let cursor = tokens.read(&request.page_token)?;
        let wanted = filter::listing(list, cursor, size).map_err(|rejection| status_of(&rejection))?;
        let answer = self
            .core
            .list(&wanted)
            .await
            .map_err(|refused| status_of_refused(&refused))?;
        let as_of = self.as_of(&answer);
        let listed = answer.value;
        let tasks = listed.tasks.iter().map(|task| task_message(task, None)).collect();
        let next = listed.next.map(|number| tokens.write(number));
        let (tasks, next_page_token) =
            page::fit(tasks, next, |task: &v1::Task| tokens.write(Number(task.number)));
        Ok(v1::ListTasksResponse {
            as_of,
            tasks,
            next_page_token,
        })
    }

    pub(crate) async fn jobs_listed(
        &self,
        request: v1::ListJobsRequest,
    ) -> Result<v1::ListJobsResponse, Status> {
        let size = page::size(request.page_size);
        let order = filter::order(request.newest_first);
        let list = v1::ListJobsRequest {
            newest_first: request.newest_first,
            ..Default::default()
        };
        let tokens = Tokens::of(&list, order);
        let cursor = tokens.read(&request.page_token)?;
        let answer = self
            .core
            .read(|state| {
                let jobs = state.jobs_behind(cursor, order).take(size + 1);
                jobs.map(|job| (Arc::clone(job), state.job_counts(&job.id)))
                    .collect::<Vec<(Arc<Job>, Counts)>>()
            })
            .await;
        let as_of = self.as_of(&answer);
        let mut jobs = answer.value;
        let more = jobs.len() > size;
        jobs.truncate(size);
        let next = jobs
            .last()
            .filter(|_| more)
            .map(|(last, _)| tokens.write(last.number));
        let jobs = jobs
            .iter()
            .map(|(job, counts)| job_message(job, counts))
            .collect();
        let (jobs, next_page_token) = page::fit(jobs, next, |job: &v1::Job| tokens.write(Number(job.number)));
        Ok(v1::ListJobsResponse {
            as_of,
            jobs,
            next_page_token,
        })
    }

    pub(crate) async fn ids_found(&self, request: v1::FindIdsRequest) -> Result<v1::FindIdsResponse, Status> {
        let most = match usize::try_from(request.limit).unwrap_or(usize::MAX) {
            0 => DEFAULT_IDS,
            most => most.min(MAX_IDS),
        };
        if request.prefix.len() > MAX_ID_BYTES {
            return Err(invalid(
                "prefix",
                format!(
                    "has {} bytes, no id has more than {MAX_ID_BYTES}",
                    request.prefix.len()
                ),
            ));
        }
        let answer = self
            .core
            .ids(request.prefix, most)
            .await
            .map_err(|error| status_of_refused(&Refused::Unreadable(error)))?;
        let as_of = self.as_of(&answer);
        let found = answer.value;
        Ok(v1::FindIdsResponse {
            as_of,
            task_ids: found.tasks.iter().map(ToString::to_string).collect(),
            job_ids: found.jobs.iter().map(ToString::to_string).collect(),
            agent_ids: found.agents.iter().map(ToString::to_string).collect(),
            queues: found.queues.iter().map(ToString::to_string).collect(),
        })
    }
}
