//! Retries of writing the state directory. Outcomes that could not be written stay in memory and are sent all the
//! same.
//!
//! Nothing is claimed until all outcomes are written and there is room for one more: new outcomes might be lost, too.

use std::{io, sync::Arc, time::Duration};

use swarm_proto::v1::AttemptReport;
use tokio::{task::spawn_blocking, time::Instant};

use super::{context::SlotContext, in_flight::Call};
use crate::{attempt_key::AttemptKey, program::lasted::after};

/// How often to try again.
const TRY_AGAIN: Duration = Duration::from_secs(2);

/// The tries since the state directory could not be written.
pub(super) struct WriteRetry {
    begun: Instant,
    next: Instant,
    writing: Option<Call<Written>>,
}

/// The result of a try.
pub(super) struct Written {
    /// The outcomes that are on the disk now.
    pub(super) keys: Vec<AttemptKey>,
    /// Why the rest was not written.
    pub(super) result: io::Result<()>,
}

impl WriteRetry {
    pub(super) fn new() -> WriteRetry {
        let now = Instant::now();
        WriteRetry {
            begun: now,
            next: now + TRY_AGAIN,
            writing: None,
        }
    }

    /// The result of the try in progress.
    pub(super) fn written(&mut self) -> Option<&mut Call<Written>> {
        self.writing.as_mut()
    }

    /// When the next try is due.
    pub(super) fn wake(&self) -> Instant {
        self.next
    }

    /// Whether it is time for the next try.
    pub(super) fn is_due(&self) -> bool {
        self.writing.is_none() && self.next <= Instant::now()
    }

    /// Begins a try.
    pub(super) fn begin(&mut self, writing: Call<Written>) {
        self.writing = Some(writing);
    }

    /// Takes the result of a try; says whether everything can be written again.
    pub(super) fn take(&mut self, result: io::Result<()>) -> bool {
        self.writing = None;
        match result {
            Ok(()) => {
                tracing::info!(
                    "the state directory can be written again{}",
                    after(self.begun.elapsed())
                );
                true
            }
            Err(error) => {
                tracing::debug!(%error, "the state directory still cannot be written");
                self.next = Instant::now() + TRY_AGAIN;
                false
            }
        }
    }
}

/// Writes these outcomes, and checks that one more would fit.
pub(super) fn write(context: &Arc<SlotContext>, outcomes: Vec<(AttemptKey, AttemptReport)>) -> Call<Written> {
    let context = Arc::clone(context);
    let writing = spawn_blocking(move || {
        let mut keys = Vec::new();
        let noted = context.write(|| context.series.note());
        if noted.is_err() {
            return Written { keys, result: noted };
        }
        for (key, report) in outcomes {
            if let Err(error) = context.write(|| context.outbox.put(&key, &report)) {
                return Written {
                    keys,
                    result: Err(error),
                };
            }
            keys.push(key);
        }
        let result = context.write(|| context.outbox.probe());
        Written { keys, result }
    });
    Box::pin(async move {
        writing.await.unwrap_or_else(|error| Written {
            keys: Vec::new(),
            result: Err(io::Error::other(error)),
        })
    })
}
