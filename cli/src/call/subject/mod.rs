//! The meaning of the ids and names on a command line, for every verb.
//!
//! A whole id is tried first, and costs one call. Then comes `last`, the newest; then the name of a job or agent, if
//! no other has it; then the beginning of an id, if no other id begins so. Names of tasks are local to their job file
//! and mean nothing here. Whatever was typed in place of a whole id, its meaning is told on stderr.

mod last;
mod name;
mod prefix;

use std::io::{self, BufRead as _};

use anyhow::Context as _;
use swarm_program::{exit::Exit, failure::Failure};
use swarm_proto::{
    call::CallFailure,
    reason::Reason,
    v1::{
        Agent, GetAgentRequest, GetJobRequest, GetTaskRequest, Job, ListAgentsRequest, ListJobsRequest, Task,
    },
};

use super::client::Client;
use name::only_one_named;

/// The word for the newest task or job, unless a task or job has this very id.
pub const LAST: &str = "last";

/// A task or a job.
pub enum Subject {
    /// The task with its attempts and result.
    Task(Box<Task>),
    /// The job with its counts.
    Job(Job),
}

/// A kind of thing with ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Task,
    Job,
    Agent,
}

impl Kind {
    fn noun(self) -> &'static str {
        match self {
            Kind::Task => "task",
            Kind::Job => "job",
            Kind::Agent => "agent",
        }
    }
}

/// Finds the task or job that is meant, with the journal's seq that the answer reflects. `doing` says what is tried.
///
/// # Errors
///
/// When the coordinator cannot be asked, or several may be meant.
pub async fn find(client: &Client, id: &str, doing: &str) -> anyhow::Result<Option<(Subject, u64)>> {
    if let Some((task, seq)) = get_task(client, id).await.map_err(client.failure(doing))? {
        return Ok(Some((Subject::Task(Box::new(task)), seq)));
    }
    find_no_whole_task_id(client, id, doing).await
}

/// As `find`, for a text that is known to be no task's whole id.
///
/// # Errors
///
/// When the coordinator cannot be asked, or several may be meant.
pub async fn find_no_whole_task_id(
    client: &Client,
    id: &str,
    doing: &str,
) -> anyhow::Result<Option<(Subject, u64)>> {
    if let Some((job, seq)) = get_job(client, id).await.map_err(client.failure(doing))? {
        return Ok(Some((Subject::Job(job), seq)));
    }
    match meant(client, id, &[Kind::Task, Kind::Job], doing).await? {
        Some((Kind::Task, id)) => {
            let found = get_task(client, &id).await.map_err(client.failure(doing))?;
            Ok(found.map(|(task, seq)| (Subject::Task(Box::new(task)), seq)))
        }
        Some((_, id)) => {
            let found = get_job(client, &id).await.map_err(client.failure(doing))?;
            Ok(found.map(|(job, seq)| (Subject::Job(job), seq)))
        }
        None => Ok(None),
    }
}

/// Finds the task that is meant; `None` also when a job has this very id.
///
/// # Errors
///
/// When the coordinator cannot be asked, or several may be meant.
pub async fn find_task(client: &Client, id: &str, doing: &str) -> anyhow::Result<Option<Task>> {
    if let Some((task, _)) = get_task(client, id).await.map_err(client.failure(doing))? {
        return Ok(Some(task));
    }
    // The ids of a job's tasks often begin with the job's id, which does not mean one of these tasks.
    if get_job(client, id)
        .await
        .map_err(client.failure(doing))?
        .is_some()
    {
        return Ok(None);
    }
    let Some((_, id)) = meant(client, id, &[Kind::Task], doing).await? else {
        return Ok(None);
    };
    let found = get_task(client, &id).await.map_err(client.failure(doing))?;
    Ok(found.map(|(task, _)| task))
}

/// Finds the job that is meant, with the journal's seq that the answer reflects.
///
/// # Errors
///
/// When the coordinator cannot be asked, or several may be meant.
pub async fn find_job(client: &Client, id: &str, doing: &str) -> anyhow::Result<Option<(Job, u64)>> {
    if let Some(found) = get_job(client, id).await.map_err(client.failure(doing))? {
        return Ok(Some(found));
    }
    let Some((_, id)) = meant(client, id, &[Kind::Job], doing).await? else {
        return Ok(None);
    };
    // Asked again, because the search did not tell its position in the journal.
    get_job(client, &id).await.map_err(client.failure(doing))
}

/// Finds the agent that is meant.
///
/// # Errors
///
/// When the coordinator cannot be asked, or several may be meant.
pub async fn find_agent(client: &Client, id: &str, doing: &str) -> anyhow::Result<Option<Agent>> {
    if let Some(agent) = get_agent(client, id).await.map_err(client.failure(doing))? {
        return Ok(Some(agent));
    }
    let Some((_, id)) = meant(client, id, &[Kind::Agent], doing).await? else {
        return Ok(None);
    };
    get_agent(client, &id).await.map_err(client.failure(doing))
}

/// The id behind `last`, a name, or the beginning of an id.
async fn meant(
    client: &Client,
    text: &str,
    kinds: &[Kind],
    doing: &str,
) -> anyhow::Result<Option<(Kind, String)>> {
    let is_of_agents = kinds.contains(&Kind::Agent);
    if text == LAST && !is_of_agents {
        return last::newest(client, kinds).await;
    }
    if kinds.contains(&Kind::Job)
        && let Some(id) = only_one_named(client, ListJobsRequest::default(), text).await?
    {
        return Ok(Some((Kind::Job, id)));
    }
    let everybody = || ListAgentsRequest {
        include_gone: true,
        ..ListAgentsRequest::default()
    };
    if is_of_agents && let Some(id) = only_one_named(client, everybody(), text).await? {
        return Ok(Some((Kind::Agent, id)));
    }
    prefix::only_one(client, text, kinds, doing).await
}

/// The task that is meant. A person who names a job is told so, and how to list its tasks.
///
/// # Errors
///
/// When none or several may be meant, or the coordinator cannot be asked.
pub async fn task(client: &Client, id: &str, doing: &str) -> anyhow::Result<Task> {
    if let Some(task) = find_task(client, id, doing).await? {
        return Ok(task);
    }
    match find_job(client, id, doing).await? {
        Some((job, _)) => {
            let list = client.next(&format!("list --job {}", job.job_id));
            Err(Failure::new(Exit::NotFound, format!("{doing}: it is a job"))
                .help(format!("its tasks: {list}"))
                .into())
        }
        None => Err(no_task(client, id, doing).into()),
    }
}

/// The id of the agent that is meant.
///
/// # Errors
///
/// When none or several may be meant, or the coordinator cannot be asked.
pub async fn agent_id(client: &Client, id: &str) -> anyhow::Result<String> {
    match find_agent(client, id, &format!("cannot look for the agent {id}")).await? {
        Some(agent) => Ok(agent.agent_id),
        None => Err(no_agent(client, id).into()),
    }
}

/// The id of the job that is meant.
///
/// # Errors
///
/// When none or several may be meant, or the coordinator cannot be asked.
pub async fn job_id(client: &Client, id: &str) -> anyhow::Result<String> {
    match find_job(client, id, &format!("cannot look for the job {id}")).await? {
        Some((job, _)) => Ok(job.job_id),
        None => Err(no_job(client, id).into()),
    }
}

/// The message about an id that means nothing.
pub fn nothing_named(client: &Client, id: &str) -> Failure {
    Failure::new(
        Exit::NotFound,
        format!("there is no task with the id {id}, and no job with that id or name"),
    )
    .help(format!(
        "{} shows the tasks there are, {} the jobs",
        client.next("list"),
        client.next("job list")
    ))
}

/// The message about a task that does not exist.
pub fn no_task(client: &Client, id: &str, doing: &str) -> Failure {
    let sentence = format!("{doing}: there is no task '{id}'");
    Failure::new(Exit::NotFound, sentence).help(where_tasks_are(client, id))
}

/// How to list tasks. Names do not select tasks, but the writer of a job file may know nothing else.
fn where_tasks_are(client: &Client, id: &str) -> String {
    let list = client.next("list");
    format!("{list} shows the tasks there are, {list} --text '{id}' those with that in their name")
}

/// The message about a job that does not exist.
pub fn no_job(client: &Client, id: &str) -> Failure {
    Failure::new(
        Exit::NotFound,
        format!("there is no job with the id or name {id}"),
    )
    .help(format!("{} shows the jobs there are", client.next("job list")))
}

/// The message about an agent that does not exist.
pub fn no_agent(client: &Client, id: &str) -> Failure {
    let sentence = format!("there is no agent with the id or name {id}");
    Failure::new(Exit::NotFound, sentence).help(format!(
        "{} shows the agents there are",
        client.next("agent list --all")
    ))
}

/// The ids of a command line; `-` stands for ids on stdin, one a line.
///
/// # Errors
///
/// When stdin cannot be read, or there is no id at all.
pub fn ids(given: &[String]) -> anyhow::Result<Vec<String>> {
    let mut ids = Vec::with_capacity(given.len());
    for id in given {
        if id != "-" {
            ids.push(id.clone());
            continue;
        }
        for line in io::stdin().lock().lines() {
            let line = line.context("cannot read ids from standard input")?;
            let id = line.trim();
            if !id.is_empty() {
                ids.push(id.to_owned());
            }
        }
    }
    if ids.is_empty() {
        return Err(Failure::new(Exit::Usage, "no ids were given on standard input").into());
    }
    Ok(ids)
}

/// The one id of a command line; `-` stands for an id on stdin. `verb` is named in the advice.
///
/// # Errors
///
/// When stdin cannot be read, or has none or several.
pub fn one_id(given: &str, verb: &str) -> anyhow::Result<String> {
    if given != "-" {
        return Ok(given.to_owned());
    }
    let mut ids = ids(&[given.to_owned()])?;
    match ids.len() {
        1 => Ok(ids.remove(0)),
        several => Err(Failure::new(
            Exit::Usage,
            format!("{several} ids were given on standard input, and one is shown at a time"),
        )
        .help(format!("for each of them: … | xargs -n 1 swarmctl {verb}"))
        .into()),
    }
}

async fn get_task(client: &Client, id: &str) -> Result<Option<(Task, u64)>, Box<CallFailure>> {
    match client
        .call(GetTaskRequest {
            task_id: id.to_owned(),
        })
        .await
    {
        Ok(answer) => {
            let seq = answer.as_of.map_or(0, |as_of| as_of.seq);
            Ok(answer.task.map(|task| (task, seq)))
        }
        Err(failure) if means_nothing(&failure, Reason::TaskNotFound) => Ok(None),
        Err(failure) => Err(failure),
    }
}

async fn get_job(client: &Client, id: &str) -> Result<Option<(Job, u64)>, Box<CallFailure>> {
    match client
        .call(GetJobRequest {
            job_id: id.to_owned(),
        })
        .await
    {
        Ok(answer) => {
            let seq = answer.as_of.map_or(0, |as_of| as_of.seq);
            Ok(answer.job.map(|job| (job, seq)))
        }
        Err(failure) if means_nothing(&failure, Reason::JobNotFound) => Ok(None),
        Err(failure) => Err(failure),
    }
}

async fn get_agent(client: &Client, id: &str) -> Result<Option<Agent>, Box<CallFailure>> {
    match client
        .call(GetAgentRequest {
            agent_id: id.to_owned(),
        })
        .await
    {
        Ok(answer) => Ok(answer.agent),
        Err(failure) if means_nothing(&failure, Reason::AgentNotFound) => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// Whether a refusal only says that nothing has this id. A name need not have the form of an id.
fn means_nothing(failure: &CallFailure, not_found: Reason) -> bool {
    failure
        .reason()
        .is_some_and(|reason| reason == not_found || reason == Reason::FieldInvalid)
}
