//! Outcomes on their way to the coordinator: together, in one request at a time, each standing for itself.

use std::{
    io, mem,
    sync::Arc,
    time::{Duration, SystemTime},
};

use prost::Message as _;
use swarm_proto::{
    reason::{Failure, Reason},
    v1::{AttemptReport, CompleteRequest, CompleteResponse, ReportResult},
};
use tokio::time::Instant;

use super::{Call, Worker};
use crate::{
    attempt_key::AttemptKey,
    coordinator::{lease::BootTime, sentence, session::SessionEnd},
};

/// The protocol's limit of a delivery.
const MAX_DELIVERED: usize = 1000;
/// With so many outcomes that the coordinator does not take for the moment, nothing more is claimed.
pub(super) const MAX_UNSENT: usize = MAX_DELIVERED;
/// A message has at most 4 MiB; what is not output takes the rest.
const MAX_DELIVERED_BYTES: usize = 3 * 1024 * 1024;

/// An outcome on its way.
pub(super) struct Unsent {
    pub(super) key: AttemptKey,
    pub(super) report: AttemptReport,
    /// When the outcome was reached.
    pub(super) since: SystemTime,
    /// A request with this one and others was refused as a whole.
    pub(super) alone: bool,
    /// It is somebody else's attempt, and the result is set aside already.
    pub(super) lost: bool,
    /// Why it is not on the disk as it should be.
    pub(super) unwritten: Option<io::Error>,
}

/// A delivery in flight.
pub(super) struct Delivery {
    pub(super) answer: Call<Result<CompleteResponse, Failure>>,
    pub(super) items: Vec<Unsent>,
    pub(super) asked: u32,
    pub(super) sent: BootTime,
}

impl Worker {
    pub(super) fn begin_delivery(&mut self) {
        let silent = matches!(
            self.over,
            Some(SessionEnd::Replaced(_) | SessionEnd::OtherCluster(_))
        );
        if self.delivery.is_some()
            || self.unsent.is_empty()
            || silent
            || Instant::now() < self.deliver_not_before
        {
            return;
        }
        let mut items: Vec<Unsent> = Vec::new();
        let mut bytes = 0;
        while let Some(next) = self.unsent.front() {
            bytes += next.report.encoded_len();
            let fits = bytes <= MAX_DELIVERED_BYTES && items.len() < MAX_DELIVERED && !next.alone;
            if !items.is_empty() && (!fits || items[0].alone) {
                break;
            }
            items.extend(self.unsent.pop_front());
        }
        let is_waiting = self.is_refusing && Instant::now() < self.claim_not_before;
        let asked = if is_waiting { 0 } else { self.room() };
        let request = CompleteRequest {
            agent_id: self.context.session.agent_id().to_owned(),
            results: items.iter().map(|item| item.report.clone()).collect(),
            claim_next: (asked > 0).then(|| self.claim_request(asked, Duration::ZERO)),
        };
        let context = Arc::clone(&self.context);
        let answer = Box::pin(async move { context.session.coordinator.complete(&request).await });
        self.delivery = Some(Delivery {
            answer,
            items,
            asked,
            sent: BootTime::now(),
        });
    }

    pub(super) fn take_delivered(&mut self, answer: Result<CompleteResponse, Failure>) {
        let Some(Delivery {
            mut items,
            sent,
            asked,
            ..
        }) = self.delivery.take()
        else {
            return;
        };
        match answer {
            // Whoever claims or renews registers again; what was done is not lost by that.
            Err(failure) if failure.reason() == Some(Reason::AgentNotFound) => {
                self.unsent.extend(items);
                self.deliver_not_before = Instant::now() + self.delivery_pauses.pause();
            }
            Err(failure) if items.len() == 1 => {
                for item in items {
                    self.set_aside(item, sentence(&failure));
                }
            }
            Err(failure) => {
                // One of them is at fault; by themselves the others get through.
                tracing::warn!(
                    error = sentence(&failure),
                    "a delivery was refused; its results are sent one by one"
                );
                for item in &mut items {
                    item.alone = true;
                }
                self.unsent.extend(items);
            }
            Ok(mut answer) => {
                let results = mem::take(&mut answer.results);
                self.take_results(items, results);
                if let Some(claimed) = answer.claimed {
                    self.found_nothing = claimed.assignments.is_empty();
                    if self.found_nothing {
                        self.take_nothing(&claimed);
                    }
                    self.take_assignments(claimed.assignments, sent);
                    if self.is_refusing {
                        self.claim_not_before = Instant::now() + self.claim_pauses.pause();
                    }
                } else if asked > 0
                    && let Some(refusal) = answer.claim_refusal
                {
                    // The claim that follows meets the same refusal and deals with it.
                    tracing::debug!(error = refusal.message, "the next claim was refused");
                }
            }
        }
    }

    fn take_results(&mut self, items: Vec<Unsent>, results: Vec<ReportResult>) {
        let mut results = results.into_iter();
        let (mut again, mut confirmed) = (false, Vec::new());
        for item in items {
            let result = results.next().filter(|result| result.task_id == item.key.task_id);
            match result {
                Some(ReportResult { refusal: None, .. }) => confirmed.push(item.key),
                Some(ReportResult {
                    refusal: Some(refusal),
                    ..
                }) if !is_momentary(&refusal.reason) => {
                    self.set_aside(item, format!("{} ({})", refusal.message, refusal.reason));
                }
                _ => {
                    again = true;
                    self.unsent.push_back(item);
                }
            }
        }
        self.confirm(confirmed);
        if again {
            self.deliver_not_before = Instant::now() + self.delivery_pauses.pause();
        } else {
            self.delivery_pauses.reset();
        }
    }

    /// The coordinator has these outcomes: nothing of them needs to be kept.
    pub(super) fn confirm(&mut self, keys: Vec<AttemptKey>) {
        if keys.is_empty() {
            return;
        }
        for key in &keys {
            self.context.session.held.forget(key);
        }
        let context = Arc::clone(&self.context);
        self.attempts.spawn_blocking(move || {
            for key in &keys {
                context.forget_written(key);
            }
        });
    }

    /// The coordinator does not want this result: it is kept where people can read it.
    fn set_aside(&mut self, item: Unsent, why: String) {
        self.context.session.held.forget(&item.key);
        let context = Arc::clone(&self.context);
        self.attempts
            .spawn(async move { context.keep_result(item.key, item.report, item.since, why).await });
    }
}

impl Unsent {
    pub(super) fn new(report: AttemptReport, since: SystemTime) -> Unsent {
        let key = report.lease.as_ref().map(AttemptKey::of).unwrap_or(AttemptKey {
            task_id: String::new(),
            attempt: 0,
        });
        Unsent {
            key,
            report,
            since,
            alone: false,
            lost: false,
            unwritten: None,
        }
    }
}

/// Whether a refusal of one item can be gone at the next try.
fn is_momentary(reason: &str) -> bool {
    matches!(
        Reason::parse(reason),
        Some(Reason::Busy | Reason::DiskFull | Reason::ShuttingDown)
    )
}
