//! Looks after the agent's disk beside its work: kept directories give way before a task is short of space, and a
//! state directory that somebody removed is made again.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant as StdInstant},
};

use tokio::{
    task::{JoinHandle, spawn_blocking},
    time::Instant,
};

use super::{Worker, context::SlotContext, in_flight::Call};
use crate::disk::state_directory::{MendError, Mended};

/// How often to look. A disk takes a gigabyte in that time at most.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// How long a state directory may be missing that cannot be made again. A mount may come back.
const LONGEST_ABSENCE: Duration = Duration::from_secs(10);

/// The looks at the disk, one at a time.
pub(super) struct DiskWatch {
    next: Instant,
    looking: Option<Call<Look>>,
    /// The last removal of kept directories. It may take many minutes, and the state directory does not wait for it.
    trimming: Option<JoinHandle<()>>,
    /// Since when the state directory cannot be made again.
    missing: Option<StdInstant>,
}

/// The result of a look.
pub(super) type Look = Result<Mended, MendError>;

/// What follows from a look.
enum Consequence {
    Nothing,
    /// What was in the state directory is lost, and is written again.
    WriteAgain,
    /// The agent cannot go on.
    Leave(String),
}

impl DiskWatch {
    pub(super) fn new() -> DiskWatch {
        DiskWatch {
            next: Instant::now(),
            looking: None,
            trimming: None,
            missing: None,
        }
    }

    /// The look in progress.
    pub(super) fn look(&mut self) -> Option<&mut Call<Look>> {
        self.looking.as_mut()
    }

    /// When the next look is due. While one hangs, no other one begins.
    pub(super) fn wake(&self) -> Option<Instant> {
        self.looking.is_none().then_some(self.next)
    }

    /// Begins a look, if it is time.
    pub(super) fn begin(&mut self, context: &Arc<SlotContext>) {
        if self.looking.is_some() || Instant::now() < self.next {
            return;
        }
        if self.trimming.as_ref().is_none_or(JoinHandle::is_finished) {
            let workspace = Arc::clone(&context.workspace);
            self.trimming = Some(spawn_blocking(move || workspace.kept().trim_if_short()));
        }
        let context = Arc::clone(context);
        let looking = spawn_blocking(move || context.state.mend());
        self.looking = Some(Box::pin(async move {
            looking
                .await
                .unwrap_or_else(|error| Err(MendError::Impossible(io::Error::other(error))))
        }));
    }

    fn take(&mut self, look: Look, place: &str) -> Consequence {
        self.looking = None;
        self.next = Instant::now() + LOOK_AGAIN;
        match look {
            Ok(Mended::NotNeeded) => {
                self.missing = None;
                Consequence::Nothing
            }
            Ok(Mended::Made) => {
                self.missing = None;
                tracing::warn!(
                    "somebody removed the state directory {place}; it was made again, and what is not confirmed \
                     is written into it once more"
                );
                Consequence::WriteAgain
            }
            Err(MendError::Taken) => Consequence::Leave(format!(
                "somebody removed the state directory {place}, and another agent has taken its place"
            )),
            Err(MendError::Impossible(error)) => {
                if self.missing.is_none() {
                    tracing::error!(%error, "the state directory {place} is gone, and cannot be made again");
                }
                let since = *self.missing.get_or_insert_with(StdInstant::now);
                if since.elapsed() < LONGEST_ABSENCE {
                    return Consequence::WriteAgain;
                }
                Consequence::Leave(format!(
                    "the state directory {place} is gone, and cannot be made again: {error}"
                ))
            }
        }
    }
}

impl Worker {
    /// Takes the result of a look at the disk.
    pub(super) fn take_look(&mut self, look: Look) {
        let place = self.context.state.path().display().to_string();
        match self.disk_watch.take(look, &place) {
            Consequence::Nothing => {}
            Consequence::WriteAgain => {
                self.delivering.note_unwritten();
                self.begin_write_retry();
            }
            Consequence::Leave(why) => self.leave_without_state(why),
        }
    }
}
