//! Retention: tasks that ended long ago are removed, and agents not heard of for as long, a bounded step at a time.
//!
//! The store lists ended tasks in the order of their ends. A sweep goes through the tasks that are old enough and lets
//! the engine decide about each; the view removes them from the store as it applies the events.

use std::{sync::Arc, time::Duration};

use swarm_engine::{id::Number, limits::PRUNE_STEP, time::Timestamp};
use tokio_util::sync::CancellationToken;

use crate::{
    core::{Core, admission::Load, recall::Refused},
    program::limits::{AGENTS_KEPT, BUSY_RETRY_AFTER, RETENTION_INTERVAL},
    records::task::aging::{self, Aging},
};

/// The shortest pause between two sweeps, for ends that lie close together.
const LEAST_PAUSE: Duration = Duration::from_millis(50);

/// Runs until the shutdown. While the coordinator's time is ahead of the wall clock, no task is removed: one of the
/// two is wrong, and with it every age.
pub(crate) async fn run(core: Arc<Core>, keep: Duration, shutdown: CancellationToken) {
    let work = async {
        let mut log = Log::default();
        let mut agents_after = Timestamp(0);
        loop {
            let mut pause = RETENTION_INTERVAL;
            if core.knows_ages() {
                // All agents are visited, and sweeps follow each other closely where tasks end all the time.
                if core.clock().now() >= agents_after {
                    agents_after = core.clock().now() + RETENTION_INTERVAL;
                    prune_agents(&core, keep).await;
                }
                match sweep(&core, keep).await {
                    Ok(swept) => {
                        pause = swept.pause;
                        log.note(swept.removed, core.clock().now());
                    }
                    Err(error) => tracing::error!(error, "cannot remove tasks that ended long ago"),
                }
            }
            tokio::time::sleep(pause).await;
        }
    };
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = work => {}
    }
}

async fn prune_agents(core: &Core, keep: Duration) {
    let removed = core.prune_agents(keep.max(AGENTS_KEPT)).await;
    if removed > 0 {
        tracing::info!(
            records = removed,
            "removed agents of which nobody had heard for long"
        );
    }
}

/// Removals, which are told together: where tasks end all the time, some are removed all the time.
#[derive(Default)]
struct Log {
    untold: usize,
    told: Timestamp,
}

impl Log {
    fn note(&mut self, removed: usize, now: Timestamp) {
        self.untold += removed;
        if self.untold > 0 && now - self.told >= RETENTION_INTERVAL {
            tracing::info!(
                records = self.untold,
                "removed tasks that ended long ago: see --keep-tasks"
            );
            *self = Log { untold: 0, told: now };
        }
    }
}

/// What a sweep came to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Swept {
    /// How many tasks it removed.
    removed: usize,
    /// How long there is nothing to do.
    pause: Duration,
}

/// Goes once through all tasks that are old enough.
pub(crate) async fn sweep(core: &Core, keep: Duration) -> Result<Swept, String> {
    let kept_ms = u64::try_from(keep.as_millis()).unwrap_or(u64::MAX);
    let now = core.clock().now();
    let Some(ended_by) = now.0.checked_sub(kept_ms).map(Timestamp) else {
        return Ok(Swept {
            removed: 0,
            pause: RETENTION_INTERVAL,
        });
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
            _ => {
                let pause = match next {
                    _ if removed > 0 => LEAST_PAUSE,
                    Some(next) => (next + keep) - now,
                    None => keep,
                };
                let pause = pause.clamp(LEAST_PAUSE, RETENTION_INTERVAL);
                return Ok(Swept { removed, pause });
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
