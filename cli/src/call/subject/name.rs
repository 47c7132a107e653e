//! Jobs and agents by their names, which several may share.

use swarm_program::{exit::Exit, failure::Failure};
use swarm_proto::{
    limits::MAX_PAGE_ITEMS,
    v1::{Agent, Job},
};

use crate::{
    call::{
        client::Client,
        pages::{Paged, Pages},
    },
    program::terminal::note,
};

/// Pages to search for a name: a hundred thousand jobs. In longer lists only ids work.
const MAX_SEARCHED_PAGES: usize = 100;

/// At most this many ids are told when several things share a name.
const MAX_TOLD_IDS: usize = 5;

/// A thing with an id and a name.
pub(super) trait Named {
    /// The noun for people.
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

/// The id of the one thing with this name, which is told on stderr.
pub(super) async fn only_one_named<Q>(
    client: &Client,
    everything: Q,
    name: &str,
) -> anyhow::Result<Option<String>>
where
    Q: Paged,
    Q::Item: Named,
{
    let noun = Q::Item::NOUN;
    let mut pages = Pages::new(client, everything);
    let mut ids: Vec<String> = Vec::new();
    let mut searched = 0;
    while let Some(page) = pages.next(MAX_PAGE_ITEMS).await? {
        let named = page.iter().filter(|item| item.name() == name);
        ids.extend(named.map(|item| item.id().to_owned()));
        searched += 1;
        if searched == MAX_SEARCHED_PAGES {
            note(format!(
                "only the first {} {noun}s were searched for the name {name}",
                MAX_SEARCHED_PAGES * MAX_PAGE_ITEMS
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
            Err(Failure::new(Exit::Usage, sentence)
                .help("give the id of the one that is meant")
                .into())
        }
    }
}
