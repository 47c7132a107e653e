//! The timer: sleeps until the engine's next deadline, then lets it handle what is due.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::{core::Core, random};

/// A timer that wakes later than this part of a TTL has been asleep with the whole coordinator.
const LATE_PART: u32 = 4;

/// Runs until the shutdown. A late wake-up means that heartbeats could not arrive: then every lease gets a
/// full TTL before anything expires.
pub(crate) async fn run(core: Arc<Core>, lease_ttl: Duration, shutdown: CancellationToken) {
    loop {
        let next = core.plan_timer();
        let asleep_since = core.clock.now();
        let sleep = async {
            match next {
                Some(next) => tokio::time::sleep(next - asleep_since).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = core.deadline_nearer.notified() => continue,
            () = sleep => {}
        }
        let now = core.clock.now();
        let planned = next.unwrap_or(now).max(asleep_since);
        if now - planned > lease_ttl / LATE_PART {
            tracing::warn!(
                late_ms = (now - planned).as_millis() as u64,
                "the coordinator was paused: every lease gets a full TTL before it can expire"
            );
            core.grace(lease_ttl);
        }
        core.expire(random::number());
    }
}
