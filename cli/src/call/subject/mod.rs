//! The meaning of the ids and names on a command line, for every verb.
//!
//! `last` is what this person submitted last, whatever ids there are. Of other words a whole id is tried first, and
//! costs one call; then comes the name of a job, which means its newest run, or of an agent; then the beginning of an
//! id, if no other id begins so. A job's id that is also its name means the newest run of that name, for whoever types
//! the name of a job file does not know which run has it as its id. Names of tasks are local to their job file and mean
//! nothing here. Whatever was typed in place of a whole id, a person is told its meaning, and asked before a beginning
//! changes something.

mod doubt;
mod last;
mod name;
pub(crate) mod own;
mod prefix;

use std::io::{self, BufRead as _};

use anyhow::Context as _;
use swarm_program::{exit::Exit, failure::Failure};
use swarm_proto::{
    reason::Reason,
    unary::Unary,
    v1::{Agent, GetAgentRequest, GetJobRequest, GetTaskRequest, Job, Task},
};

use super::client::Client;
use crate::{
    output::text::shell_word,
    program::{
        terminal::{is_watched, note},
        value::LAST,
    },
};
pub use doubt::{Change, Doubt};
use name::{agent_named, newest_job_named};

/// A task, a job or an agent.
pub enum Subject {
    /// The task with its attempts and result.
    Task(Box<Task>),
    /// The job with its counts.
    Job(Job),
    /// The agent with its leases; only where an agent may be meant.
    Agent(Box<Agent>),
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

/// Looks for what is meant. The beginning of an id is enough to look at something; before a change it is asked about.
#[derive(Clone, Copy, Debug)]
pub struct Finder<'c> {
    client: &'c Client,
    purpose: Purpose,
}

/// The use of what is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// It is looked at.
    Look,
    /// It is waited for, by scripts too: they are told what a beginning means.
    Wait,
    /// It is cancelled, retried, drained or the like.
    Change(Change),
}

impl<'c> Finder<'c> {
    /// For a verb that looks at what is found.
    pub fn to_look(client: &'c Client) -> Finder<'c> {
        Finder::new(client, Purpose::Look)
    }

    /// For a verb that waits for what is found.
    pub fn to_wait(client: &'c Client) -> Finder<'c> {
        Finder::new(client, Purpose::Wait)
    }

    /// For a verb that changes what is found.
    pub fn to_change(client: &'c Client, change: Change) -> Finder<'c> {
        Finder::new(client, Purpose::Change(change))
    }

    /// For a verb with this purpose.
    pub fn new(client: &'c Client, purpose: Purpose) -> Finder<'c> {
        Finder { client, purpose }
    }

    /// Finds the task or job that is meant, with the journal's seq that the answer reflects. `doing` says what is
    /// tried.
    ///
    /// # Errors
    ///
    /// When the coordinator cannot be asked, or several may be meant.
    pub async fn find(self, id: &str, doing: &str) -> anyhow::Result<Option<(Subject, u64)>> {
        if let Some((task, seq)) = self.task_with_id(id, doing).await? {
            self.tell_task_before_job(id, doing).await?;
            return Ok(Some((Subject::Task(Box::new(task)), seq)));
        }
        if let Some((job, seq)) = self.job_with_id(id, doing).await? {
            return Ok(Some((Subject::Job(job), seq)));
        }
        let meant = self.meant(id, &[Kind::Task, Kind::Job], doing).await?;
        self.fetch(meant, doing).await
    }

    /// As `find`, and an agent may be meant, too.
    ///
    /// # Errors
    ///
    /// When the coordinator cannot be asked, or several may be meant.
    pub async fn find_anything(self, id: &str, doing: &str) -> anyhow::Result<Option<Subject>> {
        if let Some((task, _)) = self.task_with_id(id, doing).await? {
            self.tell_task_before_job(id, doing).await?;
            return Ok(Some(Subject::Task(Box::new(task))));
        }
        if let Some((job, _)) = self.job_with_id(id, doing).await? {
            return Ok(Some(Subject::Job(job)));
        }
        if let Some(agent) = self.whole_agent(id, doing).await? {
            return Ok(Some(Subject::Agent(Box::new(agent))));
        }
        let meant = self
            .meant(id, &[Kind::Task, Kind::Job, Kind::Agent], doing)
            .await?;
        Ok(self.fetch(meant, doing).await?.map(|(subject, _)| subject))
    }

    /// Finds the task that is meant; `None` also when a job has this very id.
    ///
    /// # Errors
    ///
    /// When the coordinator cannot be asked, or several may be meant.
    pub async fn find_task(self, id: &str, doing: &str) -> anyhow::Result<Option<Task>> {
        if let Some((task, _)) = self.task_with_id(id, doing).await? {
            return Ok(Some(task));
        }
        // The ids of a job's tasks often begin with the job's id, which does not mean one of these tasks.
        if id != LAST && self.whole_job(id, doing).await?.is_some() {
            return Ok(None);
        }
        let Some((_, id)) = self.meant(id, &[Kind::Task], doing).await? else {
            return Ok(None);
        };
        Ok(self.whole_task(&id, doing).await?.map(|(task, _)| task))
    }

    /// Finds the job that is meant, with the journal's seq that the answer reflects.
    ///
    /// # Errors
    ///
    /// When the coordinator cannot be asked, or several may be meant.
    pub async fn find_job(self, id: &str, doing: &str) -> anyhow::Result<Option<(Job, u64)>> {
        if let Some(found) = self.job_with_id(id, doing).await? {
            return Ok(Some(found));
        }
        let Some((_, id)) = self.meant(id, &[Kind::Job], doing).await? else {
            return Ok(None);
        };
        // Asked again, because the search did not tell its position in the journal.
        self.whole_job(&id, doing).await
    }

    /// Finds the agent that is meant.
    ///
    /// # Errors
    ///
    /// When the coordinator cannot be asked, or several may be meant.
    pub async fn find_agent(self, id: &str, doing: &str) -> anyhow::Result<Option<Agent>> {
        if let Some(agent) = self.whole_agent(id, doing).await? {
            return Ok(Some(agent));
        }
        let Some((_, id)) = self.meant(id, &[Kind::Agent], doing).await? else {
            return Ok(None);
        };
        self.whole_agent(&id, doing).await
    }

    /// The task that is meant. A person who names a job is told so, and how to list its tasks.
    ///
    /// # Errors
    ///
    /// When none or several may be meant, or the coordinator cannot be asked.
    pub async fn task(self, id: &str, doing: &str) -> anyhow::Result<Task> {
        if let Some(task) = self.find_task(id, doing).await? {
            return Ok(task);
        }
        // A job is not what was asked for, and nothing is done to it: it is looked at alone.
        match Finder::to_look(self.client).find_job(id, doing).await? {
            Some((job, _)) => {
                let list = self.client.next(&format!("list {}", job.job_id));
                Err(Failure::new(Exit::NotFound, format!("{doing}: it is a job"))
                    .help(format!("its tasks: {list}"))
                    .into())
            }
            None => Err(no_task(self.client, id, doing).into()),
        }
    }

    /// The agent that is meant.
    ///
    /// # Errors
    ///
    /// When none or several may be meant, or the coordinator cannot be asked.
    pub async fn agent(self, id: &str) -> anyhow::Result<Agent> {
        let found = self
            .find_agent(id, &format!("cannot look for the agent {id}"))
            .await?;
        Ok(found.ok_or_else(|| no_agent(self.client, id))?)
    }

    /// The job that is meant.
    ///
    /// # Errors
    ///
    /// When none or several may be meant, or the coordinator cannot be asked.
    pub async fn job(self, id: &str) -> anyhow::Result<Job> {
        let found = self
            .find_job(id, &format!("cannot look for the job {id}"))
            .await?;
        Ok(found.ok_or_else(|| no_job(self.client, id))?.0)
    }

    /// The id behind `last`, a name, or the beginning of an id.
    async fn meant(self, text: &str, kinds: &[Kind], doing: &str) -> anyhow::Result<Option<(Kind, String)>> {
        if text == LAST && kinds != [Kind::Agent] {
            return last::newest(self, kinds, doing).await;
        }
        if kinds.contains(&Kind::Job)
            && let Some(id) = newest_job_named(self.client, text).await?
        {
            return Ok(Some((Kind::Job, id)));
        }
        if kinds.contains(&Kind::Agent)
            && let Some(id) = agent_named(self.client, text).await?
        {
            return Ok(Some((Kind::Agent, id)));
        }
        prefix::only_one(self, text, kinds, doing).await
    }

    /// The task with this whole id. `last` is no id.
    ///
    /// # Errors
    ///
    /// When the coordinator cannot be asked.
    pub async fn task_with_id(self, id: &str, doing: &str) -> anyhow::Result<Option<(Task, u64)>> {
        match id {
            LAST => Ok(None),
            id => self.whole_task(id, doing).await,
        }
    }

    /// The job with this whole id, or the newest of its name if that is the same word. `last` is no id.
    async fn job_with_id(self, id: &str, doing: &str) -> anyhow::Result<Option<(Job, u64)>> {
        if id == LAST {
            return Ok(None);
        }
        let Some(found) = self.whole_job(id, doing).await? else {
            return Ok(None);
        };
        if found.0.name != id {
            return Ok(Some(found));
        }
        match newest_job_named(self.client, id).await? {
            // The newest may have been removed meanwhile.
            Some(newest) if newest != id => Ok(self.whole_job(&newest, doing).await?.or(Some(found))),
            Some(_) | None => Ok(Some(found)),
        }
    }

    /// Tells a person that a task's id is also a job's id or name, and that the task is taken.
    async fn tell_task_before_job(self, id: &str, doing: &str) -> anyhow::Result<()> {
        if !is_watched() {
            return Ok(());
        }
        if self.whole_job(id, doing).await?.is_some() || name::is_of_a_job(self.client, id).await {
            let job = self.client.next(&format!("list --job {}", shell_word(id)));
            tell_meaning(format!("{id} is a task here; the tasks of the job {id}: {job}"));
        }
        Ok(())
    }

    /// What has a whole id. Asked again, because the search did not tell its position in the journal.
    async fn fetch(
        self,
        meant: Option<(Kind, String)>,
        doing: &str,
    ) -> anyhow::Result<Option<(Subject, u64)>> {
        Ok(match meant {
            Some((Kind::Task, id)) => {
                let found = self.whole_task(&id, doing).await?;
                found.map(|(task, seq)| (Subject::Task(Box::new(task)), seq))
            }
            Some((Kind::Job, id)) => {
                let found = self.whole_job(&id, doing).await?;
                found.map(|(job, seq)| (Subject::Job(job), seq))
            }
            Some((Kind::Agent, id)) => {
                let found = self.whole_agent(&id, doing).await?;
                found.map(|agent| (Subject::Agent(Box::new(agent)), 0))
            }
            None => None,
        })
    }

    async fn whole_task(self, id: &str, doing: &str) -> anyhow::Result<Option<(Task, u64)>> {
        let request = GetTaskRequest {
            task_id: id.to_owned(),
        };
        let answer = self.whole(id, request, Reason::TaskNotFound, doing).await?;
        Ok(answer.and_then(|answer| {
            let seq = answer.as_of.map_or(0, |as_of| as_of.seq);
            answer.task.map(|task| (task, seq))
        }))
    }

    async fn whole_job(self, id: &str, doing: &str) -> anyhow::Result<Option<(Job, u64)>> {
        let request = GetJobRequest {
            job_id: id.to_owned(),
        };
        let answer = self.whole(id, request, Reason::JobNotFound, doing).await?;
        Ok(answer.and_then(|answer| {
            let seq = answer.as_of.map_or(0, |as_of| as_of.seq);
            answer.job.map(|job| (job, seq))
        }))
    }

    async fn whole_agent(self, id: &str, doing: &str) -> anyhow::Result<Option<Agent>> {
        let request = GetAgentRequest {
            agent_id: id.to_owned(),
        };
        let answer = self.whole(id, request, Reason::AgentNotFound, doing).await?;
        Ok(answer.and_then(|answer| answer.agent))
    }

    /// The answer to a request for a whole id; `None` when nothing has it. A name need not have the form of an id.
    async fn whole<Q: Unary + Clone>(
        self,
        id: &str,
        request: Q,
        not_found: Reason,
        doing: &str,
    ) -> anyhow::Result<Option<Q::Answer>> {
        if id.is_empty() {
            return Err(Failure::new(Exit::Usage, format!("{doing}: an empty id names nothing")).into());
        }
        match self.client.call(request).await {
            Ok(answer) => Ok(Some(answer)),
            Err(failure)
                if failure
                    .reason()
                    .is_some_and(|reason| reason == not_found || reason == Reason::FieldInvalid) =>
            {
                Ok(None)
            }
            Err(failure) => Err(self.client.failure(doing)(failure)),
        }
    }
}

/// Tells a person what a name or the beginning of an id means. A script gets the whole ids in the answer, and no line
/// on stderr at each call.
fn tell_meaning(meaning: String) {
    if is_watched() {
        note(meaning);
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
