//! What the ids and names on a command line mean.
//!
//! An id is looked for first. A job or an agent may also be named by its name, if
//! no other has the same; tasks' names are local to a job file and name nothing.

use std::io::{self, BufRead as _};

use anyhow::Context as _;
use swarm_proto::{
    reason::{Failure, Reason},
    v1::{
        Agent, GetAgentRequest, GetJobRequest, GetTaskRequest, Job, ListAgentsRequest, ListJobsRequest, Task,
    },
};

use crate::{
    client::Client,
    exit::Exit,
    output::note,
    pages::{PAGE_SIZE, Paged, Pages},
    trouble::Trouble,
};

/// Pages that are searched for a name: a hundred thousand jobs. Beyond, ids have to be used.
const MAX_SEARCHED_PAGES: usize = 100;

/// Ids of several things of the same name that are told.
const MAX_TOLD_IDS: usize = 5;

/// A task or a job.
pub enum Subject {
    /// The task with its attempts and result.
    Task(Box<Task>),
    /// The job with its counts.
    Job(Job),
}

/// Finds what an id, or the name of a job, means, and the seq of the journal that the answer reflects; nothing when
/// it means nothing. `doing` says what is tried.
///
/// # Errors
///
/// When the coordinator cannot be asked, or several jobs have the name.
pub async fn find(client: &Client, id: &str, doing: &str) -> anyhow::Result<Option<(Subject, u64)>> {
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
        Err(failure) if means_nothing(&failure, Reason::TaskNotFound) => {}
        Err(failure) => return Err(client.trouble(doing)(failure)),
    }
    let found = find_job(client, id, doing).await?;
    Ok(found.map(|(job, seq)| (Subject::Job(job), seq)))
}

/// Finds a job by its id or name, and the seq of the journal that the answer reflects.
///
/// # Errors
///
/// When the coordinator cannot be asked, or several jobs have the name.
pub async fn find_job(client: &Client, id: &str, doing: &str) -> anyhow::Result<Option<(Job, u64)>> {
    match get_job(client, id).await.map_err(client.trouble(doing))? {
        Some(found) => Ok(Some(found)),
        None => {
            let Some(job_id) = only_one_named(client, ListJobsRequest::default(), id).await? else {
                return Ok(None);
            };
            // Once more: its page is of no known position in the journal.
            get_job(client, &job_id).await.map_err(client.trouble(doing))
        }
    }
}

/// Finds an agent by its id or name.
///
/// # Errors
///
/// When the coordinator cannot be asked, or several agents have the name.
pub async fn find_agent(client: &Client, id: &str, doing: &str) -> anyhow::Result<Option<Agent>> {
    match get_agent(client, id).await.map_err(client.trouble(doing))? {
        Some(agent) => Ok(Some(agent)),
        None => {
            let everybody = ListAgentsRequest {
                include_gone: true,
                ..ListAgentsRequest::default()
            };
            let Some(agent_id) = only_one_named(client, everybody, id).await? else {
                return Ok(None);
            };
            get_agent(client, &agent_id).await.map_err(client.trouble(doing))
        }
    }
}

/// The id of a job that is given by its id or name.
///
/// # Errors
///
/// When there is no such job, several have the name, or the coordinator cannot be asked.
pub async fn job_id(client: &Client, id: &str) -> anyhow::Result<String> {
    match find_job(client, id, &format!("cannot look for the job {id}")).await? {
        Some((job, _)) => Ok(job.job_id),
        None => Err(no_job(client, id).into()),
    }
}

/// What a person is told about an id that means nothing.
pub fn nothing_named(client: &Client, id: &str) -> Trouble {
    Trouble::new(
        Exit::NotFound,
        format!("there is no task with the id {id}, and no job with that id or name"),
    )
    .help(format!(
        "{} shows the tasks there are, {} the jobs",
        client.next("list"),
        client.next("job list")
    ))
}

/// What a person is told about a job that does not exist.
pub fn no_job(client: &Client, id: &str) -> Trouble {
    Trouble::new(
        Exit::NotFound,
        format!("there is no job with the id or name {id}"),
    )
    .help(format!("{} shows the jobs there are", client.next("job list")))
}

/// What a person is told about an agent that does not exist.
pub fn no_agent(client: &Client, id: &str) -> Trouble {
    let sentence = format!("there is no agent with the id or name {id}");
    Trouble::new(Exit::NotFound, sentence).help(format!(
        "{} shows the agents there are",
        client.next("agent list --all")
    ))
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
            let line = line.context("cannot read ids from standard input")?;
            let id = line.trim();
            if !id.is_empty() {
                ids.push(id.to_owned());
            }
        }
    }
    if ids.is_empty() {
        return Err(Trouble::new(Exit::Usage, "no ids were given on standard input").into());
    }
    Ok(ids)
}

/// What has an id and a name.
trait Named {
    /// For people.
    const NOUN: &'static str;
    fn id(&self) -> &str;
    fn name(&self) -> &str;
}

impl Named for Job {
    const NOUN: &'static str = "job";
    fn id(&self) -> &str {
        &self.job_id
    }
    fn name(&self) -> &str {
        &self.name
    }
}

impl Named for Agent {
    const NOUN: &'static str = "agent";
    fn id(&self) -> &str {
        &self.agent_id
    }
    fn name(&self) -> &str {
        &self.name
    }
}

/// The id of the one thing that has this name; says whose id it is.
async fn only_one_named<Q>(client: &Client, everything: Q, name: &str) -> anyhow::Result<Option<String>>
where
    Q: Paged,
    Q::Item: Named,
{
    let noun = Q::Item::NOUN;
    let mut pages = Pages::new(client, everything);
    let mut ids: Vec<String> = Vec::new();
    let mut searched = 0;
    while let Some(page) = pages.next(PAGE_SIZE).await? {
        let named = page.iter().filter(|item| item.name() == name);
        ids.extend(named.map(|item| item.id().to_owned()));
        searched += 1;
        if searched == MAX_SEARCHED_PAGES {
            note(format!(
                "only the first {} {noun}s were searched for the name {name}",
                MAX_SEARCHED_PAGES * PAGE_SIZE
            ));
            break;
        }
    }
    match ids.as_slice() {
        [] => Ok(None),
        [id] => {
            note(format!("{name} is {noun} {id}"));
            Ok(Some(id.clone()))
        }
        several => {
            let mut told = several[..several.len().min(MAX_TOLD_IDS)].join(", ");
            if several.len() > MAX_TOLD_IDS {
                told.push_str(&format!(" and {} more", several.len() - MAX_TOLD_IDS));
            }
            let sentence = format!("{} {noun}s have the name {name}: {told}", several.len());
            Err(Trouble::new(Exit::Usage, sentence)
                .help("give the id of the one that is meant")
                .into())
        }
    }
}

async fn get_job(client: &Client, id: &str) -> Result<Option<(Job, u64)>, Box<Failure>> {
    match client
        .get_job(GetJobRequest {
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

async fn get_agent(client: &Client, id: &str) -> Result<Option<Agent>, Box<Failure>> {
    match client
        .get_agent(GetAgentRequest {
            agent_id: id.to_owned(),
        })
        .await
    {
        Ok(answer) => Ok(answer.agent),
        Err(failure) if means_nothing(&failure, Reason::AgentNotFound) => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// A name need not have the form of an id; it is no less a question that may be asked.
fn means_nothing(failure: &Failure, not_found: Reason) -> bool {
    failure
        .reason()
        .is_some_and(|reason| reason == not_found || reason == Reason::FieldInvalid)
}
