//! Ctrl-C while waiting: swarmctl detaches, and what it waited for goes on.

use std::future::Future;

/// What the future comes to; nothing when Ctrl-C is pressed first.
pub(crate) async fn unless_interrupted<T>(future: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        value = future => Some(value),
        // Without a handler Ctrl-C ends the process anyway; then there is nothing to wait for here.
        () = async {
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
        } => None,
    }
}
