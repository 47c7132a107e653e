//! Tidies up after a run, which leaves nothing behind unless told to.

use std::rc::Rc;

use swarm_proto::{
    limits::MAX_PAGE_ITEMS,
    v1::{CancelTasksRequest, ListTasksRequest, TaskState},
};

use super::{agents::Agents, bar::Bar, target::Target};
use crate::{
    call::pages::Pages,
    program::{interrupt::unless_interrupted, terminal::note},
};

/// The result of cancelling undrained tasks.
pub(super) struct Tidied {
    /// The number of cancelled tasks.
    pub(super) cancelled: u64,
    /// Whether tidying up succeeded.
    pub(super) outcome: anyhow::Result<()>,
}

/// Says goodbye for the agents, and cancels the remaining tasks unless they are kept.
pub(super) async fn leave(target: &Rc<Target>, agents: &Agents, keep: bool) -> Tidied {
    let mut tidied = Tidied {
        cancelled: 0,
        outcome: Ok(()),
    };
    let left = target.submitted.get().saturating_sub(target.completed.get());
    let tidying = async {
        let gone = agents.leave().await;
        // Tasks of an agent that could not say goodbye are cancelled when that agent is lost.
        if left > 0 && !keep {
            cancel(target, left, &mut tidied.cancelled).await?;
        }
        gone
    };
    match unless_interrupted(Box::pin(tidying)).await {
        Ok(outcome) => tidied.outcome = outcome,
        Err(_signal) => note("interrupted again: not all of the tasks are cancelled"),
    }
    if tidied.cancelled < left {
        note(format!(
            "what is left is in queue {0}; to cancel it: {1} | {2}",
            target.queue,
            target
                .client
                .next(&format!("list --queue {} --state queued -q", target.queue)),
            target.client.next("cancel -"),
        ));
    }
    tidied
}

async fn cancel(target: &Target, left: u64, cancelled: &mut u64) -> anyhow::Result<()> {
    let bar = Bar::new("cancel", left);
    let states = [TaskState::Delayed, TaskState::Queued, TaskState::Running];
    let filter = ListTasksRequest {
        queue: target.queue.clone(),
        states: states.map(Into::into).to_vec(),
        ..ListTasksRequest::default()
    };
    let mut pages = Pages::new(&target.client, filter);
    while let Some(page) = pages.next(MAX_PAGE_ITEMS).await? {
        let request = CancelTasksRequest {
            task_ids: page.into_iter().map(|task| task.task_id).collect(),
        };
        if request.task_ids.is_empty() {
            continue;
        }
        let answer = target.client.call(request).await;
        let answer = answer.map_err(target.client.failure("cannot cancel what is left"))?;
        let done = answer
            .results
            .iter()
            .filter(|change| change.refusal.is_none())
            .count() as u64;
        *cancelled += done;
        bar.advance(done);
    }
    bar.finish();
    Ok(())
}
