//! Retention: tasks that ended long ago are removed, and agents not heard of for as long, a bounded step at a time.
//!
//! The store lists ended tasks in the order of their ends. A sweep goes through the tasks that are old enough and lets
//! the engine decide about each; the view removes them from the store as it applies the events.

use std::{sync::Arc, time::Duration};

use swarm_engine::{id::Number, limits::PRUNE_STEP, time::Timestamp};
use tokio_util::sync::CancellationToken;

use crate::{
    core::{Core, admission::Load, recall::Refused},
    program::limits::{AGENTS_KEPT, BUSY_RETRY_AFTER, MAX_CLOCK_JUMP, RETENTION_INTERVAL, RETENTION_WARNING},
    records::task::aging::{self, Aging},
};

/// The shortest pause between two sweeps, for ends that lie close together.
const LEAST_PAUSE: Duration = Duration::from_millis(50);

/// Runs until the shutdown. `jump` is how far the clock had gone on since the last event when the coordinator started.
/// When that is too far, no task is removed, for a wrong clock would make all of them look old.
pub(crate) async fn run(core: Arc<Core>, keep: Duration, jump: Duration, shutdown: CancellationToken) {
    let work = async {
        if jump > MAX_CLOCK_JUMP {
            warn_for_ever(jump).await;
        }
        loop {
            let removed = core.prune_agents(keep.max(AGENTS_KEPT)).await;
            if removed > 0 {
                tracing::info!(
                    records = removed,
                    "removed agents of which nobody had heard for long"
                );
            }
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

/// Goes once through all tasks that are old enough. Answers how long there is nothing to do.
pub(crate) async fn sweep(core: &Core, keep: Duration) -> Result<Duration, String> {
    let kept_ms = u64::try_from(keep.as_millis()).unwrap_or(u64::MAX);
    let now = core.clock().now();
    let Some(ended_by) = now.0.checked_sub(kept_ms).map(Timestamp) else {
        return Ok(RETENTION_INTERVAL);
    };
    let mut from = (0, Number(0));
    let mut removed = 0;
    loop {
        // Retention does not wait behind submits: where they come faster than the store takes them, ended tasks would
        // stay for ever.
        while !core.admits(Load::Other) {
            tokio::time::sleep(BUSY_RETRY_AFTER).await;
        }
        let store = core.store().clone();
        let reading = tokio::task::spawn_blocking(move || aging::due(&store, from, ended_by, PRUNE_STEP));
        let Aging { due, next } = reading.await.map_err(|error| error.to_string())??;
        let last = due.last().map(|task| task.place);
        let is_full = due.len() == PRUNE_STEP;
        removed += core.prune(due, ended_by).await.map_err(why)?;
        match last {
            Some((second, number)) if is_full => from = (second, Number(number.0 + 1)),
            // A task that depended on a removed task, or was skipped because of it, may be next.
            _ if removed > 0 => return Ok(LEAST_PAUSE),
            _ => {
                let pause = next.map_or(keep, |next| (next + keep) - now);
                return Ok(pause.clamp(LEAST_PAUSE, RETENTION_INTERVAL));
            }
        }
    }
}

fn why(refused: Refused) -> String {
    match refused {
        Refused::Unreadable(error) => error,
        Refused::TooSoon => "the store is still being read through".to_owned(),
        Refused::Rejected(rejection) => rejection.to_string(),
    }
}

#[cfg(test)]
mod tests;
