//! Jobs and agents by their names, which need not be theirs alone.

use swarm_proto::{
    limits::MAX_PAGE_ITEMS,
    v1::{Agent, Job},
};

use crate::{
    call::{
        client::Client,
        pages::{Paged, Pages},
    },
    program::{exit::Exit, terminal::note, trouble::Trouble},
};

/// Pages that are searched for a name: a hundred thousand jobs. Beyond, ids have to be used.
const MAX_SEARCHED_PAGES: usize = 100;

/// Ids of several things of the same name that are told.
const MAX_TOLD_IDS: usize = 5;

/// What has an id and a name.
pub(super) trait Named {
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
            Err(Trouble::new(Exit::Usage, sentence)
                .help("give the id of the one that is meant")
                .into())
        }
    }
}
