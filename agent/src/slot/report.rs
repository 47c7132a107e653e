//! Outcomes from the end of their attempts to the coordinator: delivered, confirmed, set aside, or written later.

use std::{io, sync::Arc};

use swarm_proto::{
    call::CallFailure,
    v1::{CompleteResponse, attempt_report::Outcome},
};
use tokio::{task::spawn_blocking, time::timeout};

use super::{
    Worker,
    context::{WRITE_LIMIT, hung},
    unsent::Unsent,
    write_retry::{WriteRetry, Written, write},
};
use crate::attempt_key::AttemptKey;

impl Worker {
    /// Takes the outcome of an attempt, and of all others that have ended by now.
    pub(super) fn take_finished(&mut self, finished: Unsent) {
        self.claiming.note_end();
        if finished.lost {
            self.context.session.leases.forget(&finished.key);
            return;
        }
        self.context
            .session
            .leases
            .report(finished.report.lease.clone().unwrap_or_default());
        if let Some(Outcome::Released(_)) = finished.report.outcome {
            self.claiming.note_release();
        }
        if let Some(error) = &finished.unwritten {
            tracing::error!(
                task_id = finished.key.task_id,
                attempt = finished.key.attempt,
                %error,
                "cannot write the outcome into the outbox; it is kept in memory and sent all the same, and \
                 nothing more is claimed until the state directory can be written"
            );
            self.begin_write_retry();
        }
        self.delivering.push(finished);
        // Attempts that ended at the same time share the delivery.
        while let Ok(another) = self.finished.1.try_recv() {
            self.take_finished(another);
        }
    }

    /// Sends the waiting outcomes, and asks for the next tasks in the same request.
    pub(super) fn begin_delivery(&mut self) {
        if self.leaving.is_silent() {
            return;
        }
        // The coordinator gives a task that is given back to whoever waits for one.
        let keeps_releases = self.leaving.has_begun() && self.claiming.is_in_flight();
        let batch = self.delivering.next_batch(keeps_releases);
        if batch.is_empty() {
            return;
        }
        let asked = if self.claiming.is_waiting() {
            0
        } else {
            self.room()
        };
        self.delivering.send(&self.context, batch, asked);
    }

    /// Takes the answer of the delivery in flight.
    pub(super) fn take_delivered(&mut self, answer: Result<CompleteResponse, CallFailure>) {
        let delivered = self.delivering.take(answer);
        for (item, why) in delivered.refused {
            self.set_aside(item, why);
        }
        self.confirm(delivered.confirmed);
        if let Some((claimed, sent)) = delivered.claimed {
            self.take_claimed_along(claimed, sent);
        }
    }

    /// The coordinator has these outcomes: leases and files are dropped.
    fn confirm(&mut self, keys: Vec<AttemptKey>) {
        if keys.is_empty() {
            return;
        }
        for key in &keys {
            self.context.session.leases.forget(key);
        }
        let context = Arc::clone(&self.context);
        self.attempts.spawn_blocking(move || {
            for key in &keys {
                context.forget_written(key);
            }
        });
    }

    /// The coordinator does not want this result. It is kept where people can read it.
    fn set_aside(&mut self, item: Unsent, why: String) {
        self.context.session.leases.forget(&item.key);
        let context = Arc::clone(&self.context);
        self.attempts
            .spawn(async move { context.keep_result(item.key, item.report, item.since, why).await });
    }

    /// Writes the series of marks, before the first attempt begins.
    pub(super) async fn note_series(&mut self) {
        let context = Arc::clone(&self.context);
        let noting = spawn_blocking(move || context.write(|| context.series.note()));
        let noted = timeout(WRITE_LIMIT, noting).await.map_err(|_| hung());
        if let Err(error) = noted.and_then(|noted| noted.map_err(io::Error::other)?) {
            tracing::error!(
                %error,
                "cannot write in the state directory; nothing is claimed until it can be written"
            );
            self.begin_write_retry();
        }
    }

    pub(super) fn begin_write_retry(&mut self) {
        if self.write_retry.is_some() {
            return;
        }
        self.write_retry = Some(WriteRetry::new());
        // A waiting claim may have been granted tasks. They are fetched and given back now, so that they need not
        // wait for the end of their leases.
        self.claiming.hasten(&self.context);
    }

    /// Tries again to write, when it is time.
    pub(super) fn begin_writing(&mut self) {
        if let Some(retry) = &mut self.write_retry
            && retry.is_due()
        {
            retry.begin(write(&self.context, self.delivering.unwritten()));
        }
    }

    /// Takes the result of a try to write.
    pub(super) fn take_written(&mut self, written: Written) {
        let confirmed = self.delivering.note_written(written.keys);
        self.confirm(confirmed);
        if let Some(retry) = &mut self.write_retry
            && retry.take(written.result)
        {
            self.write_retry = None;
        }
    }

    /// Tries a last time to write, and logs the outcomes that are lost.
    pub(super) async fn write_last(&mut self) {
        let unwritten = self.delivering.unwritten();
        if self.write_retry.take().is_none() || unwritten.is_empty() {
            return;
        }
        let writing = write(&self.context, unwritten);
        let written = timeout(WRITE_LIMIT, writing).await.unwrap_or_else(|_| Written {
            keys: Vec::new(),
            result: Err(hung()),
        });
        let Err(error) = written.result else { return };
        for item in self.delivering.items() {
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
}
