//! Outcomes that could not be written: kept in memory, sent all the same, and tried again.
//!
//! Until everything is written and there is room for one outcome more, nothing is
//! claimed: what would come of it might be lost, too.

use std::{io, sync::Arc, time::Duration};

use tokio::{task::spawn_blocking, time::Instant};

use super::{Call, Worker, delivery::Unsent};
use crate::attempt_key::AttemptKey;

/// How often to try again.
const TRY_AGAIN: Duration = Duration::from_secs(2);

/// The state directory cannot be written.
pub(super) struct WriteRetry {
    begun: Instant,
    pub(super) try_again: Instant,
    pub(super) writing: Option<Call<Written>>,
}

/// What a try came to.
pub(super) struct Written {
    keys: Vec<AttemptKey>,
    /// Why the rest was not written.
    result: io::Result<()>,
}

impl Worker {
    /// Notes by which marks the attempts to come are found, before the first of them begins.
    pub(super) async fn note_series(&mut self) {
        let context = Arc::clone(&self.context);
        let noting = spawn_blocking(move || context.series.note());
        if let Err(error) = noting.await.map_err(io::Error::other).flatten() {
            tracing::error!(
                %error,
                "cannot write in the state directory; nothing is claimed until it can be written"
            );
            self.begin_write_retry();
        }
    }

    /// The outcome of an attempt is not on the disk.
    pub(super) fn note_unwritten(&mut self, key: &AttemptKey, error: &io::Error) {
        tracing::error!(
            task_id = key.task_id,
            attempt = key.attempt,
            %error,
            "cannot write the outcome into the outbox; it is kept in memory and sent all the same, and \
             nothing more is claimed until the state directory can be written"
        );
        self.begin_write_retry();
    }

    fn begin_write_retry(&mut self) {
        if self.write_retry.is_some() {
            return;
        }
        let now = Instant::now();
        self.write_retry = Some(WriteRetry {
            begun: now,
            try_again: now + TRY_AGAIN,
            writing: None,
        });
        // What it may have been granted meanwhile is fetched and given back, so that nobody waits for it.
        self.hasten_claim();
    }

    /// Tries again when it is time.
    pub(super) fn begin_writing(&mut self) {
        let now = Instant::now();
        let is_due = self
            .write_retry
            .as_ref()
            .is_some_and(|write_retry| write_retry.writing.is_none() && write_retry.try_again <= now);
        if !is_due {
            return;
        }
        let call = self.write_unwritten();
        if let Some(write_retry) = &mut self.write_retry {
            write_retry.writing = Some(call);
        }
    }

    /// Takes a try's end.
    pub(super) fn take_written(&mut self, written: Written) {
        let waiting = self.delivery.iter_mut().flat_map(|delivery| &mut delivery.items);
        let mut waiting: Vec<&mut Unsent> = waiting.chain(&mut self.unsent).collect();
        let mut confirmed = Vec::new();
        for key in written.keys {
            match waiting.iter_mut().find(|item| item.key == key) {
                Some(item) => item.unwritten = None,
                // Meanwhile, while it was written.
                None => confirmed.push(key),
            }
        }
        self.confirm(confirmed);
        let Some(write_retry) = &mut self.write_retry else {
            return;
        };
        write_retry.writing = None;
        match written.result {
            Ok(()) => {
                tracing::info!(
                    "the state directory can be written again after {} s",
                    write_retry.begun.elapsed().as_secs()
                );
                self.write_retry = None;
            }
            Err(error) => {
                tracing::debug!(%error, "the state directory still cannot be written");
                write_retry.try_again = Instant::now() + TRY_AGAIN;
            }
        }
    }

    /// Says which outcomes are about to be lost, after a last try.
    pub(super) async fn write_last(&mut self) {
        if self.write_retry.take().is_none() {
            return;
        }
        let written = self.write_unwritten().await;
        let Err(error) = written.result else { return };
        let delivered = self.delivery.iter().flat_map(|delivery| &delivery.items);
        for item in delivered.chain(&self.unsent) {
            if item.unwritten.is_some() && !written.keys.contains(&item.key) {
                tracing::error!(
                    task_id = item.key.task_id,
                    attempt = item.key.attempt,
                    %error,
                    "the outcome is lost: the coordinator has not confirmed it, and it cannot be written"
                );
            }
        }
    }

    fn write_unwritten(&self) -> Call<Written> {
        let delivered = self.delivery.iter().flat_map(|delivery| &delivery.items);
        let unwritten: Vec<_> = delivered
            .chain(&self.unsent)
            .filter(|item| item.unwritten.is_some())
            .map(|item| (item.key.clone(), item.report.clone()))
            .collect();
        let context = Arc::clone(&self.context);
        let writing = spawn_blocking(move || {
            let mut keys = Vec::new();
            let noted = context.series.note();
            if noted.is_err() {
                return Written { keys, result: noted };
            }
            for (key, report) in unwritten {
                if let Err(error) = context.outbox.put(&key, &report) {
                    return Written {
                        keys,
                        result: Err(error),
                    };
                }
                keys.push(key);
            }
            let result = context.outbox.probe();
            Written { keys, result }
        });
        Box::pin(async move {
            writing.await.unwrap_or_else(|error| Written {
                keys: Vec::new(),
                result: Err(io::Error::other(error)),
            })
        })
    }
}
