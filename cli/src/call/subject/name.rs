//! Jobs and agents by their names, which several may share.
//!
//! A job's name means its newest run: whoever submits a file every night means the last one. An agent's name means the
//! one that has not said goodbye.

use swarm_program::{exit::Exit, failure::Failure};
use swarm_proto::{
    limits::MAX_PAGE_ITEMS,
    v1::{Agent, AgentState, ListAgentsRequest, ListJobsRequest},
};

use super::tell_meaning;
use crate::{
    call::{client::Client, pages::Pages},
    output::names::TOLD_APART_CHARS,
    program::terminal::{is_watched, note},
};

/// Pages to search for a name: the coordinator looks at tens of thousands of jobs for each. In longer lists only ids
/// work.
const MAX_SEARCHED_PAGES: usize = 100;

/// At most this many older jobs of a name are counted.
const MAX_COUNTED: usize = 1_000;

/// At most this many ids are told when several agents share a name.
const MAX_TOLD_IDS: usize = 5;

/// The id of the newest job with this name. A person is told it, and how many older ones there are.
pub(super) async fn newest_job_named(client: &Client, name: &str) -> anyhow::Result<Option<String>> {
    let mut pages = jobs_named(client, name);
    let mut newest: Option<String> = None;
    let mut older = 0;
    for searched in 1..=MAX_SEARCHED_PAGES {
        let Some(page) = pages.next(MAX_PAGE_ITEMS).await? else {
            break;
        };
        let mut named = page.into_iter().filter(|job| job.name == name);
        if newest.is_none() {
            newest = named.next().map(|job| job.job_id);
        }
        older += named.count();
        if newest.is_some() && (older >= MAX_COUNTED || !is_watched()) {
            break;
        }
        if searched == MAX_SEARCHED_PAGES && newest.is_none() {
            note(format!("only the newest jobs were searched for the name {name}"));
        }
    }
    if let Some(id) = &newest {
        let others = match older {
            0 if id == name => return Ok(newest),
            0 => String::new(),
            MAX_COUNTED.. => format!(", the newest of more than {MAX_COUNTED} with this name"),
            older => format!(", the newest of {} with this name", older + 1),
        };
        tell_meaning(format!("{name} is job {id}{others}"));
    }
    Ok(newest)
}

/// Jobs with this name, the newest first. An older coordinator lists those of every name.
fn jobs_named<'c>(client: &'c Client, name: &str) -> Pages<'c, ListJobsRequest> {
    let request = ListJobsRequest {
        newest_first: true,
        name: name.to_owned(),
        ..ListJobsRequest::default()
    };
    Pages::new(client, request)
}

/// Whether an agent has this name, or `lab/k3v7`, as it is shown where several have one name.
fn is_called(agent: &Agent, name: &str) -> bool {
    let is_told_apart = |(name, beginning): (&str, &str)| {
        let least = TOLD_APART_CHARS.min(agent.agent_id.len());
        agent.name == name && beginning.len() >= least && agent.agent_id.starts_with(beginning)
    };
    agent.name == name || name.rsplit_once('/').is_some_and(is_told_apart)
}

/// Whether one of the newest jobs has this name. A failure here is not worth a word.
pub(super) async fn is_of_a_job(client: &Client, name: &str) -> bool {
    match jobs_named(client, name).next(1).await {
        Ok(page) => page.is_some_and(|jobs| jobs.iter().any(|job| job.name == name)),
        Err(_) => false,
    }
}

/// The id of the agent with this name: of the only one, or of the only one that has not said goodbye.
///
/// # Errors
///
/// When several may be meant.
pub(super) async fn agent_named(client: &Client, name: &str) -> anyhow::Result<Option<String>> {
    let request = ListAgentsRequest {
        include_gone: true,
        ..ListAgentsRequest::default()
    };
    let mut pages = Pages::new(client, request);
    let mut named: Vec<Agent> = Vec::new();
    for _ in 0..MAX_SEARCHED_PAGES {
        let Some(page) = pages.next(MAX_PAGE_ITEMS).await? else {
            break;
        };
        named.extend(page.into_iter().filter(|agent| is_called(agent, name)));
    }
    let here: Vec<&Agent> = match named.iter().filter(|agent| agent.state() != AgentState::Gone) {
        some if some.clone().next().is_some() => some.collect(),
        _ => named.iter().collect(),
    };
    match here.as_slice() {
        [] => Ok(None),
        [agent] => {
            let id = agent.agent_id.clone();
            let others = match named.len() - 1 {
                0 => String::new(),
                gone => format!("; {gone} more of this name said goodbye"),
            };
            tell_meaning(format!("{name} is agent {id}{others}"));
            Ok(Some(id))
        }
        several => {
            let ids: Vec<&str> = several.iter().map(|agent| agent.agent_id.as_str()).collect();
            let mut told = ids[..ids.len().min(MAX_TOLD_IDS)].join(", ");
            if ids.len() > MAX_TOLD_IDS {
                told.push_str(&format!(" and {} more", ids.len() - MAX_TOLD_IDS));
            }
            let sentence = format!("{} agents have the name {name}: {told}", ids.len());
            Err(Failure::new(Exit::Usage, sentence)
                .help("give the id of the one that is meant")
                .into())
        }
    }
}
