//! `last`: the task or job that this person has submitted last; to look at, else the newest of everybody.

use swarm_program::{exit::Exit, failure::Failure};
use swarm_proto::v1::{GetStatusRequest, Job, ListJobsRequest, ListTasksRequest, Task};

use super::{Finder, Kind, Purpose, own, tell_meaning};
use crate::{
    call::{
        client::Client,
        pages::{Paged, Pages},
    },
    program::value::LAST,
};

/// The last thing of these kinds, which a person is told. A task of a job stands for its job where a job may be meant.
///
/// # Errors
///
/// When something is to be changed and nothing was submitted from here, or the coordinator cannot be asked.
pub(super) async fn newest(
    finder: Finder<'_>,
    kinds: &[Kind],
    doing: &str,
) -> anyhow::Result<Option<(Kind, String)>> {
    let client = finder.client;
    if let Some((kind, id)) = own_last(finder, kinds, doing).await? {
        tell_meaning(format!("{LAST} is {} {id}", kind.noun()));
        return Ok(Some((kind, id)));
    }
    let Some((kind, id)) = newest_of_everybody(client, kinds).await? else {
        return Ok(None);
    };
    let noun = kind.noun();
    match finder.purpose {
        Purpose::Look | Purpose::Wait => {
            tell_meaning(format!("{LAST} is {noun} {id}, the newest of everybody"));
            Ok(Some((kind, id)))
        }
        Purpose::Change(_) => {
            let sentence =
                format!("{doing}: {LAST} is what you submitted last, and from here that was nothing");
            let help = format!("give the id; the newest of everybody is {noun} {id}");
            Err(Failure::new(Exit::Usage, sentence).help(help).into())
        }
    }
}

/// What was submitted last from here, if the coordinator still has it.
async fn own_last(finder: Finder<'_>, kinds: &[Kind], doing: &str) -> anyhow::Result<Option<(Kind, String)>> {
    let status = finder.client.call(GetStatusRequest {}).await;
    let as_of = status.map_err(finder.client.failure(doing))?.as_of;
    for (kind, id) in own::remembered(&as_of.unwrap_or_default().history) {
        let is_there = match kind {
            Kind::Job => finder.whole_job(&id, doing).await?.is_some(),
            Kind::Task | Kind::Agent => finder.whole_task(&id, doing).await?.is_some(),
        };
        if !is_there {
            continue;
        }
        if kinds.contains(&kind) {
            return Ok(Some((kind, id)));
        }
        if kind == Kind::Job {
            // Only a task may be meant: the newest of that job.
            let of_job = ListTasksRequest {
                job_id: id,
                newest_first: true,
                ..ListTasksRequest::default()
            };
            let task = first(finder.client, of_job).await?;
            return Ok(task.map(|task| (Kind::Task, task.task_id)));
        }
    }
    Ok(None)
}

/// The newest thing of these kinds, whoever submitted it.
async fn newest_of_everybody(client: &Client, kinds: &[Kind]) -> anyhow::Result<Option<(Kind, String)>> {
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
    Ok(newer(task, job))
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
