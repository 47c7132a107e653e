//! Says in the log, at the start and again while it is so, that the clock is wrong or the time is ahead of it.

use std::{sync::Arc, time::Duration};

use swarm_engine::limits::CLOCK_TOLERANCE;
use swarm_proto::duration::format_duration;
use tokio_util::sync::CancellationToken;

use crate::{core::Core, program::limits::RETENTION_WARNING};

/// Runs until the shutdown.
pub(crate) async fn run(core: Arc<Core>, shutdown: CancellationToken) {
    let warning = async {
        loop {
            warn(core.clock().doubt(), core.ahead_of_wall());
            tokio::time::sleep(RETENTION_WARNING).await;
        }
    };
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = warning => {}
    }
}

fn warn(doubt: Duration, ahead: Duration) {
    let words = |length: Duration| format_duration(Duration::from_secs(length.as_secs()));
    if !doubt.is_zero() {
        tracing::warn!(
            help = "look at 'date' there: if it is right, start the coordinator with --accept-clock, or once more \
                    after ten minutes; if it is wrong, set it and start the coordinator again",
            "the clock of this machine was {} ahead of the last event at the start, and is not believed: time goes on \
             from that event, so that nothing is removed and no deadline passes before its time",
            words(doubt)
        );
    }
    if ahead > CLOCK_TOLERANCE {
        tracing::warn!(
            help = "look at 'date' there: if it is right, stop the coordinator and run 'coordinator repair \
                    --set-time-back'; if it is wrong, set it",
            "the time is {} ahead of the clock of this machine, because that was wrong once: nothing is removed for \
             its age, and deadlines wait for the clock",
            words(ahead)
        );
    }
}
