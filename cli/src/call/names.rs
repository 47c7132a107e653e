//! The names of agents, asked for when people are to read of them.

use swarm_proto::{
    limits::MAX_PAGE_ITEMS,
    v1::{GetJobRequest, ListAgentsRequest, ListTasksRequest, Task},
};

use super::{client::Client, pages::Paged as _};
use crate::output::{Output, names::Names};

/// At most this many agents are named; the others keep their ids. More do not fit a page that people read.
const MAX_NAMED: usize = 5_000;

/// The names of all agents, also of those that said goodbye. Without them the ids would do, so that a failure is not
/// worth a word.
pub(crate) async fn of_agents(client: &Client) -> Names {
    let mut names = Names::default();
    let everybody = ListAgentsRequest {
        include_gone: true,
        ..ListAgentsRequest::default()
    };
    let (mut token, mut named) = (String::new(), 0);
    while named < MAX_NAMED {
        let page = everybody.clone().page(client, MAX_PAGE_ITEMS as u32, token).await;
        let Ok((agents, next)) = page else { break };
        named += agents.len();
        for agent in agents {
            names.know_agent(&agent.agent_id, &agent.name);
        }
        if next.is_empty() {
            break;
        }
        token = next;
    }
    names
}

/// The names of agents where people read them; scripts get ids.
pub(crate) async fn for_people(client: &Client, output: &Output) -> Names {
    match output.format.is_for_people() {
        true => of_agents(client).await,
        false => Names::default(),
    }
}

/// What people call one agent.
pub(crate) async fn of_agent(client: &Client, agent_id: &str) -> String {
    of_agents(client).await.agent(agent_id).into_owned()
}

/// The names on a page about one task: of agents, of its job, and of the job's tasks if it depends on some.
pub(crate) async fn of_task(client: &Client, task: &Task) -> Names {
    let mut names = of_agents(client).await;
    let job_id = &task.job_id;
    if job_id.is_empty() {
        return names;
    }
    let job = GetJobRequest {
        job_id: job_id.clone(),
    };
    // The id would do, so a failure is not worth a word.
    if let Some(job) = client.call(job).await.ok().and_then(|answer| answer.job) {
        names.know_job(job_id, &job.name);
    }
    if task.spec.as_ref().is_some_and(|spec| !spec.depends_on.is_empty()) {
        add_job(&mut names, client, job_id).await;
    }
    names
}

/// Adds the names of a job's first tasks.
async fn add_job(names: &mut Names, client: &Client, job_id: &str) {
    let request = ListTasksRequest {
        job_id: job_id.to_owned(),
        ..ListTasksRequest::default()
    };
    // A job that is gone has no names to give.
    let page = request.page(client, MAX_PAGE_ITEMS as u32, String::new()).await;
    if let Ok((tasks, _)) = page {
        tasks.iter().for_each(|task| know(names, task));
    }
}

fn know(names: &mut Names, task: &Task) {
    let name = task.spec.as_ref().map_or("", |spec| spec.name.as_str());
    names.know_task(&task.task_id, name);
}
