//! SIGUSR1, the way in for whoever is on the coordinator's machine: everything that runs is ended and given back, as
//! with `swarmctl stop`, and the coordinator serves on.

use std::io;

use swarm_proto::v1::StopAllRequest;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::request::{Requests, hold};

/// The signal, as the hold and the log name it.
const NAME: &str = "SIGUSR1";

/// See the module.
pub(crate) struct Emergency(Signal);

impl Emergency {
    /// Catches the signal from now on. One that comes before there is something to stop waits for that.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub(crate) fn listen() -> io::Result<Emergency> {
        signal(SignalKind::user_defined1()).map(Emergency)
    }

    /// Stops everything at each signal, until the coordinator stops.
    pub(crate) async fn serve(mut self, requests: Requests, shutdown: CancellationToken) {
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                Some(()) = self.0.recv() => stop(&requests).await,
            }
        }
    }
}

async fn stop(requests: &Requests) {
    let request = StopAllRequest {
        actor: NAME.to_owned(),
        reason: "a signal to the coordinator".to_owned(),
    };
    let stopped = match requests.admit(&request) {
        Ok(cx) => hold::stop_all(cx, request).await,
        Err(refusal) => Err(refusal),
    };
    match stopped {
        Ok(stopped) => tracing::warn!(
            reason = NAME,
            help = "swarmctl resume",
            "everything is stopped, {} leases are to be given back; nothing is given to agents until somebody resumes",
            stopped.leases
        ),
        Err(refusal) => tracing::error!(reason = NAME, error = refusal.message, "cannot stop everything"),
    }
}
