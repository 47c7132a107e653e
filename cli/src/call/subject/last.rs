//! `last`: the newest task or job.

use swarm_proto::v1::{Job, ListJobsRequest, ListTasksRequest, Task};

use super::{Kind, LAST};
use crate::call::{
    client::Client,
    pages::{Paged, Pages},
};

/// The newest thing of these kinds, which a person is told. A task of a job stands for its job where a job may be
/// meant.
///
/// # Errors
///
/// When the coordinator cannot be asked.
pub(super) async fn newest(client: &Client, kinds: &[Kind]) -> anyhow::Result<Option<(Kind, String)>> {
    let task = match kinds.contains(&Kind::Task) {
        true => {
            first(
                client,
                ListTasksRequest {
                    newest_first: true,
                    ..Default::default()
                },
            )
            .await?
        }
        false => None,
    };
    let job = match kinds.contains(&Kind::Job) {
        true => {
            first(
                client,
                ListJobsRequest {
                    newest_first: true,
                    ..Default::default()
                },
            )
            .await?
        }
        false => None,
    };
    let newest = newer(task, job);
    if let Some((kind, id)) = &newest {
        client.tell_meaning(format!("{LAST} is {} {id}", kind.noun()));
    }
    Ok(newest)
}

fn newer(task: Option<Task>, job: Option<Job>) -> Option<(Kind, String)> {
    match (task, job) {
        (Some(task), Some(job)) if task.number < job.number || task.job_id == job.job_id => {
            Some((Kind::Job, job.job_id))
        }
        (Some(task), _) => Some((Kind::Task, task.task_id)),
        (None, Some(job)) => Some((Kind::Job, job.job_id)),
        (None, None) => None,
    }
}

/// The first item of a list; pages before it may be empty.
async fn first<Q: Paged>(client: &Client, list: Q) -> anyhow::Result<Option<Q::Item>> {
    let mut pages = Pages::new(client, list);
    while let Some(page) = pages.next(1).await? {
        if let Some(item) = page.into_iter().next() {
            return Ok(Some(item));
        }
    }
    Ok(None)
}
