//! Whether all ids in the store have been read since the start.
//!
//! Before that, an id that is not found may be one that sled has lost, and a decision that a task does not exist would
//! be wrong for ever.

use tokio::sync::watch;

use crate::{program::limits::IDS_PATIENCE, records::task::find::FindError};

/// See the module.
pub(super) struct IdsRead(watch::Sender<bool>);

impl IdsRead {
    pub(super) fn new(are_read: bool) -> IdsRead {
        IdsRead(watch::Sender::new(are_read))
    }

    /// They have been read, and none is missing.
    pub(super) fn note(&self) {
        self.0.send_replace(true);
    }

    /// Whether they have been read.
    pub(super) fn is_known(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until they have been read, however long that takes.
    pub(super) async fn wait(&self) {
        let mut are_read = self.0.subscribe();
        // The sender lives as long as `self`.
        let _ = are_read.wait_for(|are_read| *are_read).await;
    }

    /// Waits until they have been read, as long as a request may wait.
    ///
    /// # Errors
    ///
    /// When that takes longer.
    pub(super) async fn wait_a_little(&self) -> Result<(), FindError> {
        let waited = tokio::time::timeout(IDS_PATIENCE, self.wait()).await;
        waited.map_err(|_| FindError::TooSoon)
    }
}
