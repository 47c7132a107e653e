//! The fake coordinator's lists, and its search for ids.

use std::collections::BTreeMap;

use swarm_proto::v1::{
    FindIdsRequest, FindIdsResponse, Job, ListJobsRequest, ListJobsResponse, ListTasksRequest,
    ListTasksResponse, Task,
};

use super::World;

pub fn tasks(world: &mut World, request: ListTasksRequest) -> ListTasksResponse {
    world.lists.push(request.clone());
    let mut tasks: Vec<Task> = world
        .tasks
        .iter()
        .filter(|task| fits(task, &request))
        .cloned()
        .collect();
    if request.newest_first {
        tasks.reverse();
    }
    let (tasks, next_page_token) = page(tasks, &request.page_token, world, request.page_size);
    ListTasksResponse {
        as_of: world.as_of(),
        tasks,
        next_page_token,
    }
}

/// A page of the things that match; the token counts the things of earlier pages.
fn page<T>(items: Vec<T>, token: &str, world: &World, size: u32) -> (Vec<T>, String) {
    let from: usize = token.parse().unwrap_or(0);
    let end = from + world.page_size.min(size as usize);
    let next = if end < items.len() {
        end.to_string()
    } else {
        String::new()
    };
    (items.into_iter().skip(from).take(end - from).collect(), next)
}

fn fits(task: &Task, request: &ListTasksRequest) -> bool {
    let spec = task.spec.clone().unwrap_or_default();
    let queue = if spec.queue.is_empty() {
        "default"
    } else {
        &spec.queue
    };
    let agent = task.attempts.last().map_or("", |newest| newest.agent_id.as_str());
    let created = task.create_time.map_or(0, |time| time.seconds);
    let or_any = |wanted: &str, here: &str| wanted.is_empty() || wanted == here;
    (request.states.is_empty() || request.states.contains(&task.state))
        && or_any(&request.job_id, &task.job_id)
        && or_any(&request.queue, queue)
        && or_any(&request.agent_id, agent)
        && (spec.name.contains(&request.text) || task.task_id.contains(&request.text))
        && request.labels.iter().all(|term| meets(&spec.labels, term))
        && request
            .create_time_from
            .is_none_or(|from| created >= from.seconds)
        && request
            .create_time_before
            .is_none_or(|before| created < before.seconds)
}

fn meets(labels: &BTreeMap<String, String>, term: &str) -> bool {
    let is = |key: &str, value: &str| labels.get(key).is_some_and(|here| here == value);
    if let Some(key) = term.strip_prefix('!') {
        !labels.contains_key(key)
    } else if let Some((key, value)) = term.split_once("!=") {
        !is(key, value)
    } else if let Some((key, value)) = term.split_once('=') {
        is(key, value)
    } else {
        labels.contains_key(term)
    }
}

pub fn jobs(world: &World, request: &ListJobsRequest) -> ListJobsResponse {
    let named = |job: &&Job| request.name.is_empty() || job.name == request.name;
    let mut jobs: Vec<_> = world
        .jobs
        .iter()
        .filter(named)
        .map(|job| world.job_now(job))
        .collect();
    if request.newest_first {
        jobs.reverse();
    }
    let (jobs, next_page_token) = page(jobs, &request.page_token, world, request.page_size);
    ListJobsResponse {
        as_of: world.as_of(),
        jobs,
        next_page_token,
    }
}

pub fn ids(world: &mut World, request: &FindIdsRequest) -> FindIdsResponse {
    world.prefixes.push(request.prefix.clone());
    let limit = if request.limit == 0 {
        10
    } else {
        request.limit as usize
    };
    let beginning = |ids: &mut dyn Iterator<Item = &String>| {
        let mut ids: Vec<String> = ids
            .filter(|id| id.starts_with(&request.prefix))
            .cloned()
            .collect();
        ids.sort();
        ids.truncate(limit);
        ids
    };
    FindIdsResponse {
        as_of: world.as_of(),
        task_ids: beginning(&mut world.tasks.iter().map(|task| &task.task_id)),
        job_ids: beginning(&mut world.jobs.iter().map(|job| &job.job_id)),
        agent_ids: beginning(&mut world.agents.iter().map(|agent| &agent.agent_id)),
        queues: Vec::new(),
    }
}
