//! Lets the core remember the ids of the store beside serving, and anew when most of them are gone.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::{core::Core, program::limits::RETENTION_INTERVAL};

/// Runs until the shutdown.
pub(crate) async fn run(core: Arc<Core>, shutdown: CancellationToken) {
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = keep_filled(&core) => {}
    }
}

async fn keep_filled(core: &Arc<Core>) {
    // Before all ids have been read, an id that sled has lost would be taken for one that never was.
    core.until_ids_are_read().await;
    loop {
        let filling = tokio::task::spawn_blocking({
            let core = Arc::clone(core);
            move || core.fill_stored_ids()
        });
        match filling.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(error, "cannot read which tasks the store has"),
            Err(_stopping) => return,
        }
        loop {
            tokio::time::sleep(RETENTION_INTERVAL).await;
            if core.are_stored_ids_outgrown() {
                break;
            }
        }
    }
}
