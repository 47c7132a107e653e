//! The parts of a registered agent that all its slots share.

use std::{
    io,
    sync::Arc,
    time::{Duration, SystemTime},
};

use jiff::Timestamp;
use swarm_proto::v1::AttemptReport;
use tokio::task::spawn_blocking;

use crate::{
    attempt::starter::Starter,
    attempt_key::AttemptKey,
    coordinator::session::Session,
    disk::{
        outbox::Outbox,
        state_directory::StateDirectory,
        workspace::{Workspace, is_full},
    },
    process::tree::{series::Series, sweep::Sweeper},
    program::config::Config,
};

/// How long to wait for the state directory before the work goes on without it.
pub(super) const WRITE_LIMIT: Duration = Duration::from_secs(15);

/// The error of a state directory that does not answer.
pub(super) fn hung() -> io::Error {
    io::Error::new(
        io::ErrorKind::TimedOut,
        format!("the file system did not answer for {} s", WRITE_LIMIT.as_secs()),
    )
}

/// The parts of one registered agent that all its slots share.
pub(crate) struct SlotContext {
    pub(crate) config: Arc<Config>,
    pub(crate) session: Session,
    pub(crate) state: Arc<StateDirectory>,
    pub(crate) outbox: Outbox,
    pub(crate) workspace: Arc<Workspace>,
    pub(crate) series: Series,
    pub(crate) sweeper: Sweeper,
    pub(crate) starter: Starter,
}

impl SlotContext {
    /// Writes something into the state directory. Kept directories give way to it on a full disk.
    pub(super) fn write<T>(&self, mut write: impl FnMut() -> io::Result<T>) -> io::Result<T> {
        let kept = self.workspace.kept();
        match write() {
            // The workspace is asked only then: its disk may be another one, and hang.
            Err(error) if is_full(&error) && kept.is_beside(self.state.path()) => kept.make_room_for(write),
            done => done,
        }
    }

    /// Drops a confirmed outcome from the outbox. Blocks on the disk.
    pub(super) fn forget_written(&self, key: &AttemptKey) {
        if let Err(error) = self.outbox.confirm(key) {
            tracing::warn!(
                %error,
                "cannot remove a confirmed result from the outbox; it is sent again at the next start"
            );
        }
    }

    /// Keeps a result that the coordinator does not want, and logs its place, its time and the reason.
    pub(super) async fn keep_result(
        self: Arc<Self>,
        key: AttemptKey,
        report: AttemptReport,
        since: SystemTime,
        why: String,
    ) {
        let since = Timestamp::try_from(since).unwrap_or(Timestamp::MIN);
        let sentence = format!("outcome of {since}, not accepted: {why}");
        let (context, name) = (Arc::clone(&self), key.clone());
        let kept =
            spawn_blocking(move || context.write(|| context.outbox.refuse(&name, &report, &sentence))).await;
        match kept {
            Ok(Ok(place)) => tracing::warn!(
                task_id = key.task_id,
                attempt = key.attempt,
                reason = why,
                "the outcome of {since} was not accepted; the result is kept in {}",
                place.display()
            ),
            Ok(Err(error)) => tracing::error!(
                task_id = key.task_id,
                attempt = key.attempt,
                reason = why,
                %error,
                "the outcome of {since} was not accepted; and it cannot be kept"
            ),
            Err(_) => {}
        }
    }
}
