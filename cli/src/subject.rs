//! What the ids on a command line name.

use std::io::{self, BufRead as _};

use anyhow::Context as _;
use swarm_proto::{
    reason::{Failure, Reason},
    v1::{GetJobRequest, GetTaskRequest, Job, Task},
};

use crate::{client::Client, exit::Exit, trouble::Trouble};

/// A task or a job.
pub enum Subject {
    /// The task with its attempts and result.
    Task(Box<Task>),
    /// The job with its counts.
    Job(Job),
}

/// Finds what an id names, and the seq of the journal that the answer reflects; nothing when it names nothing.
///
/// # Errors
///
/// When the coordinator cannot be asked.
pub async fn find(client: &Client, id: &str) -> Result<Option<(Subject, u64)>, Box<Failure>> {
    match client
        .get_task(GetTaskRequest {
            task_id: id.to_owned(),
        })
        .await
    {
        Ok(answer) => {
            let seq = answer.as_of.map_or(0, |as_of| as_of.seq);
            return Ok(answer.task.map(|task| (Subject::Task(Box::new(task)), seq)));
        }
        Err(failure) if failure.reason() == Some(Reason::TaskNotFound) => {}
        Err(failure) => return Err(failure),
    }
    match client
        .get_job(GetJobRequest {
            job_id: id.to_owned(),
        })
        .await
    {
        Ok(answer) => {
            let seq = answer.as_of.map_or(0, |as_of| as_of.seq);
            Ok(answer.job.map(|job| (Subject::Job(job), seq)))
        }
        Err(failure) if failure.reason() == Some(Reason::JobNotFound) => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// What a person is told about an id that names nothing.
pub fn nothing_named(id: &str) -> Trouble {
    Trouble::new(
        Exit::NotFound,
        format!("there is no task and no job with the id {id}"),
    )
    .help("swarmctl list shows the tasks there are, swarmctl job list the jobs")
}

/// The ids of a command line; `-` stands for those on stdin, one a line.
///
/// # Errors
///
/// When stdin cannot be read, or no id is left.
pub fn ids(given: &[String]) -> anyhow::Result<Vec<String>> {
    let mut ids = Vec::with_capacity(given.len());
    for id in given {
        if id != "-" {
            ids.push(id.clone());
            continue;
        }
        for line in io::stdin().lock().lines() {
            let line = line.context("cannot read ids from stdin")?;
            let id = line.trim();
            if !id.is_empty() {
                ids.push(id.to_owned());
            }
        }
    }
    Ok(ids)
}
