//! Ctrl-C while waiting: swarmctl detaches, and the tasks go on.

use std::future::Future;

/// The future's result; `None` when Ctrl-C is pressed first.
pub(crate) async fn unless_interrupted<T>(future: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        value = future => Some(value),
        // If no handler can be set, Ctrl-C ends the process by itself.
        () = async {
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
        } => None,
    }
}
