//! The timer: sleeps until the engine's next deadline, then lets it handle what is due.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::{
    core::{Core, admission::Load},
    machine::random,
    program::limits::{BUSY_PAUSE, LATE_PART},
};

/// Runs until the shutdown. A late wake-up means that heartbeats could not arrive: then every lease gets a
/// full TTL before anything expires.
pub(crate) async fn run(core: Arc<Core>, lease_ttl: Duration, shutdown: CancellationToken) {
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = keep_time(&core, lease_ttl) => {}
    }
}

async fn keep_time(core: &Core, lease_ttl: Duration) {
    // The sleep's own clock stands still while the machine sleeps, so no sleep is long.
    let longest = lease_ttl / LATE_PART;
    loop {
        core.look_at_wall();
        let asleep_since = core.clock().now();
        let next = core.plan_timer();
        let pause = next.map_or(longest, |next| (next - asleep_since).min(longest));
        tokio::select! {
            () = core.until_deadline_is_nearer() => {}
            () = tokio::time::sleep(pause) => {}
        }
        let now = core.clock().now();
        let late = now - (asleep_since + pause);
        if late > longest {
            tracing::warn!(
                late_ms = u64::try_from(late.as_millis()).unwrap_or(u64::MAX),
                "the coordinator was paused: every lease gets a full TTL before it can expire"
            );
            core.grace(lease_ttl);
        }
        if next.is_some_and(|next| next <= now) {
            // The next step waits until this one is written, so that steps never outrun the disk.
            let seq = core.expire(random::number());
            core.until_durable(seq).await;
            while !core.admits(Load::Other) {
                tokio::time::sleep(BUSY_PAUSE).await;
            }
        }
    }
}
