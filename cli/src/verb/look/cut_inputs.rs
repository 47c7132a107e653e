//! What is told at the end of a wait about inputs that were cut.

use swarm_proto::v1::ListTasksRequest;

use crate::{
    call::{awaited::Awaited, client::Client, pages::Pages},
    output::{inputs, text},
    program::terminal::fault,
};

/// So many tasks are told of; the rest is counted.
const TOLD: usize = 3;
/// So many are counted at most.
const MOST: usize = 1_000;

/// Tells which of the tasks were given the ends of long outputs: they may have succeeded with a wrong result.
pub(super) async fn tell(client: &Client, awaited: &[Awaited]) -> anyhow::Result<()> {
    let mut lines: Vec<String> = awaited.iter().filter_map(|one| one.cut_inputs.clone()).collect();
    for one in awaited.iter().filter(|one| one.is_job) {
        let filter = ListTasksRequest {
            job_id: one.id.clone(),
            cut_inputs: true,
            ..ListTasksRequest::default()
        };
        let mut pages = Pages::new(client, filter);
        while lines.len() < MOST
            && let Some(page) = pages.next(MOST - lines.len()).await?
        {
            lines.extend(page.iter().filter_map(inputs::line));
        }
    }
    lines.iter().take(TOLD).for_each(fault);
    let more = lines.len().saturating_sub(TOLD);
    if more > 0 {
        let least = if lines.len() >= MOST { "at least " } else { "" };
        let more = text::counted(more as u64, "more task");
        fault(format!("{least}{more} had inputs that were cut"));
    }
    Ok(())
}
