//! Ctrl-C or SIGTERM while waiting: swarmctl detaches, and the tasks go on.

use std::future::Future;

use swarm_program::exit::Exit;
use tokio::signal::unix::{SignalKind, signal};

/// The future's result; the exit code of Ctrl-C or SIGTERM when one of them comes first.
pub(crate) async fn unless_interrupted<T>(future: impl Future<Output = T>) -> Result<T, Exit> {
    tokio::select! {
        value = future => Ok(value),
        () = told(SignalKind::interrupt()) => Err(Exit::Interrupted),
        () = told(SignalKind::terminate()) => Err(Exit::Terminated),
    }
}

/// Waits for a signal. If no handler can be set, it ends the process by itself.
async fn told(kind: SignalKind) {
    match signal(kind) {
        Ok(mut signals) => {
            signals.recv().await;
        }
        Err(_) => std::future::pending().await,
    }
}
