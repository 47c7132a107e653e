//! Retention: what ended long ago is removed, a bounded step at a time.
//!
//! The store lists ended tasks in the order of their ends. A sweep goes through those that are old enough and
//! lets the engine decide about each; the view removes them from the store as it applies the events.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use swarm_engine::{
    command::prune::{self, Prune},
    id::{Number, TaskId},
    limits::PRUNE_STEP,
    time::Timestamp,
};
use tokio_util::sync::CancellationToken;

use crate::{
    admission::Load,
    core::Core,
    limits::{BUSY_RETRY_AFTER, MAX_CLOCK_JUMP, RETENTION_INTERVAL, RETENTION_WARNING},
    recall::Refused,
    records::aging::{self, Aged, Aging},
};

/// The shortest pause between two sweeps, for ends that lie close together.
const LEAST_PAUSE: Duration = Duration::from_millis(50);

/// Runs until the shutdown. `jump` is how far the clock had gone on since the last event when the coordinator
/// started: when it is too much, nothing is removed, for a wrong clock would make everything look old.
pub(crate) async fn run(core: Arc<Core>, keep: Duration, jump: Duration, shutdown: CancellationToken) {
    let work = async {
        if jump > MAX_CLOCK_JUMP {
            warn_for_ever(jump).await;
        }
        loop {
            let pause = match sweep(&core, keep).await {
                Ok(pause) => pause,
                Err(error) => {
                    tracing::error!(error, "cannot remove tasks that ended long ago");
                    RETENTION_INTERVAL
                }
            };
            tokio::time::sleep(pause).await;
        }
    };
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = work => {}
    }
}

async fn warn_for_ever(jump: Duration) -> ! {
    loop {
        tracing::warn!(
            "the clock is {} h past the last event before this start: nothing that has ended is removed until the \
             coordinator is started once more; check the clock first",
            jump.as_secs() / 3600
        );
        tokio::time::sleep(RETENTION_WARNING).await;
    }
}

/// Goes once through everything that is old enough. Answers how long there is nothing to do.
pub(crate) async fn sweep(core: &Core, keep: Duration) -> Result<Duration, String> {
    let kept_ms = u64::try_from(keep.as_millis()).unwrap_or(u64::MAX);
    let now = core.clock.now();
    let Some(ended_by) = now.0.checked_sub(kept_ms).map(Timestamp) else {
        return Ok(RETENTION_INTERVAL);
    };
    let mut from = (0, Number(0));
    let mut removed = 0;
    loop {
        // Not behind submits: where these come faster than the store takes them, what has ended would stay for ever.
        while !core.admission.admits(Load::Other) {
            tokio::time::sleep(BUSY_RETRY_AFTER).await;
        }
        let store = core.store.clone();
        let reading = tokio::task::spawn_blocking(move || aging::due(&store, from, ended_by, PRUNE_STEP));
        let Aging { due, next } = reading.await.map_err(|error| error.to_string())??;
        let last = due.last().map(|task| task.place);
        let is_full = due.len() == PRUNE_STEP;
        removed += remove(core, due, ended_by).await?;
        match last {
            Some((second, number)) if is_full => from = (second, Number(number.0 + 1)),
            // What waited for a removed task, or was skipped because of it, may be next.
            _ if removed > 0 => return Ok(LEAST_PAUSE),
            _ => {
                let pause = next.map_or(keep, |next| (next + keep) - now);
                return Ok(pause.clamp(LEAST_PAUSE, RETENTION_INTERVAL));
            }
        }
    }
}

/// Lets the engine remove those of the tasks that nothing needs. Returns how many went.
async fn remove(core: &Core, aged: Vec<Aged>, ended_by: Timestamp) -> Result<usize, String> {
    let candidates: Vec<Aged> = {
        let inner = core.lock();
        let may_go = |task: &Aged| !inner.state.is_needed(&task.id) && !inner.leaving.contains_key(&task.id);
        aged.into_iter().filter(may_go).collect()
    };
    let mut removed = 0;
    let mut rest = candidates.as_slice();
    while !rest.is_empty() {
        let (some, others) = rest.split_at(rest.len().min(RECALLED_TOGETHER));
        rest = others;
        removed += remove_step(core, some, ended_by).await?;
    }
    Ok(removed)
}

/// Records brought into memory together: even the largest stay below what one look may bring.
const RECALLED_TOGETHER: usize = 256;

async fn remove_step(core: &Core, tasks: &[Aged], ended_by: Timestamp) -> Result<usize, String> {
    let ids: Arc<BTreeSet<TaskId>> = Arc::new(tasks.iter().map(|task| task.id.clone()).collect());
    let _turn = core.store_readers.acquire().await;
    let (pinned, missing) = core.pin(&ids);
    let found = core
        .read_store(missing)
        .await
        .map_err(|error| match error.into() {
            Refused::Unreadable(error) => error,
            Refused::TooSoon => "the store is still being read through".to_owned(),
            Refused::Rejected(rejection) => rejection.to_string(),
        })?;
    let (removed, as_of) = core.decide_with(&found, |draft_state, draft| {
        // A request that is about to decide has named the others.
        let free = tasks
            .iter()
            .filter(|task| !draft_state.holds_for_others(pinned.pin, &task.id))
            .map(|task| task.number);
        let request = Prune {
            tasks: free.collect(),
            ended_by,
        };
        Ok(prune::decide(draft, &request))
    });
    drop(pinned);
    core.until_durable(as_of).await;
    removed.map_err(|rejection| rejection.to_string())
}

#[cfg(test)]
mod tests;
