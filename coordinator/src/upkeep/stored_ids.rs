//! Fills the core's stored ids from the store, beside serving.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::{
    core::Core,
    failure::chain,
    limits::{RETENTION_INTERVAL, STORED_IDS_STEP},
    records::key,
};

/// Fills them, and fills them anew when most of them are gone, until the shutdown.
pub(crate) async fn run(core: Arc<Core>, shutdown: CancellationToken) {
    let work = async {
        // Before the ids have been read through, one that sled has lost would be taken for one that never was.
        core.ids_were_read().await;
        loop {
            let filled = tokio::task::spawn_blocking({
                let core = Arc::clone(&core);
                move || fill(&core)
            });
            match filled.await {
                Ok(Ok(())) => {}
                // Every id may be there then, as before.
                Ok(Err(error)) => {
                    core.lock().stored_ids.give_up();
                    tracing::warn!(error, "cannot read which tasks the store has");
                }
                Err(_stopping) => return,
            }
            loop {
                tokio::time::sleep(RETENTION_INTERVAL).await;
                let inner = core.lock();
                if inner.stored_ids.is_to_be_filled(inner.state.ended().total()) {
                    break;
                }
            }
        }
    };
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = work => {}
    }
}

/// Adds every id in the store. The core adds the ids of tasks that leave memory meanwhile.
pub(crate) fn fill(core: &Core) -> Result<(), String> {
    core.lock().stored_ids.begin();
    let mut keys = core.store.scan(key::ID, key::ID);
    loop {
        let step: Vec<Vec<u8>> = keys
            .by_ref()
            .take(STORED_IDS_STEP)
            .map(|entry| entry.map(|(key, _)| key))
            .collect::<Result<_, _>>()
            .map_err(|error| chain(&error))?;
        if core.is_closed() {
            return Ok(());
        }
        let mut inner = core.lock();
        if step.is_empty() {
            inner.stored_ids.end();
            return Ok(());
        }
        for key in &step {
            let id = key
                .strip_prefix(key::ID)
                .and_then(|id| std::str::from_utf8(id).ok());
            inner
                .stored_ids
                .add(id.ok_or("a task's id in the store is no text")?);
        }
    }
}
