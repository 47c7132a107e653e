//! Deliveries: one in flight, with many outcomes, each of which is confirmed or refused by itself.

use std::{collections::VecDeque, io, mem, sync::Arc, time::Duration};

use prost::Message as _;
use swarm_proto::{
    call::CallFailure,
    limits::{MAX_ITEMS, MAX_MESSAGE_BYTES},
    reason::Reason,
    v1::{AttemptReport, ClaimResponse, CompleteRequest, CompleteResponse, ReportResult},
};
use tokio::time::Instant;

use super::{claiming, context::SlotContext, in_flight::Call, unsent::Unsent};
use crate::{
    attempt_key::AttemptKey,
    coordinator::{lease::BootTime, sentence},
    disk::outbox::Leftover,
    program::backoff::Backoff,
};

/// Waiting outcomes above which nothing more is claimed.
const MAX_UNSENT: usize = MAX_ITEMS;
/// Bytes of the reports in one delivery; the rest of the message is for its other fields.
const MAX_DELIVERED_BYTES: usize = MAX_MESSAGE_BYTES / 4 * 3;

/// The outcomes that the coordinator has not confirmed.
pub(super) struct Delivering {
    /// The outcomes for the next delivery.
    unsent: VecDeque<Unsent>,
    in_flight: Option<Delivery>,
    pauses: Backoff,
    not_before: Instant,
}

/// A delivery in flight.
struct Delivery {
    answer: Call<Result<CompleteResponse, CallFailure>>,
    items: Vec<Unsent>,
    /// The number of tasks that it asks for.
    asked: u32,
    sent: BootTime,
}

/// The result of a delivery, besides the outcomes that are sent again.
#[derive(Default)]
pub(super) struct Delivered {
    /// The outcomes that the coordinator has.
    pub(super) confirmed: Vec<AttemptKey>,
    /// The outcomes that the coordinator does not want, and why.
    pub(super) refused: Vec<(Unsent, String)>,
    /// The answer to the claim in the delivery, and the time of its sending.
    pub(super) claimed: Option<(ClaimResponse, BootTime)>,
}

impl Delivering {
    /// Begins with the reports of an earlier process.
    pub(super) fn new(leftovers: Vec<Leftover>, pauses: Backoff) -> Delivering {
        let unsent = leftovers
            .into_iter()
            .map(|left| Unsent::new(left.report, left.written));
        Delivering {
            unsent: unsent.collect(),
            in_flight: None,
            pauses,
            not_before: Instant::now(),
        }
    }

    /// The answer of the delivery in flight.
    pub(super) fn answer(&mut self) -> Option<&mut Call<Result<CompleteResponse, CallFailure>>> {
        self.in_flight.as_mut().map(|delivery| &mut delivery.answer)
    }

    /// The number of tasks that the delivery in flight asks for.
    pub(super) fn asked(&self) -> u32 {
        self.in_flight.as_ref().map_or(0, |delivery| delivery.asked)
    }

    /// All unconfirmed outcomes, those in flight first.
    pub(super) fn items(&self) -> impl Iterator<Item = &Unsent> {
        let in_flight = self.in_flight.iter().flat_map(|delivery| &delivery.items);
        in_flight.chain(&self.unsent)
    }

    /// Whether everything is confirmed.
    pub(super) fn is_done(&self) -> bool {
        self.unsent.is_empty() && self.in_flight.is_none()
    }

    /// Whether too many outcomes wait to claim more tasks.
    pub(super) fn is_full(&self) -> bool {
        self.unsent.len() >= MAX_UNSENT
    }

    /// When the next delivery may go out, if there is anything to deliver.
    pub(super) fn wake(&self) -> Option<Instant> {
        (!self.unsent.is_empty()).then_some(self.not_before)
    }

    /// Takes an outcome for the next delivery.
    pub(super) fn push(&mut self, unsent: Unsent) {
        self.unsent.push_back(unsent);
    }

    /// Gives up the delivery in flight, and queues its outcomes again.
    pub(super) fn recall(&mut self) {
        let undelivered = self.in_flight.take().map(|delivery| delivery.items);
        self.unsent.extend(undelivered.into_iter().flatten());
    }

    /// Gives up the delivery in flight, with its outcomes.
    pub(super) fn abandon(&mut self) {
        self.in_flight = None;
    }

    /// The outcomes of the next delivery, if it is time for one; without tasks to give back if those are to wait.
    pub(super) fn next_batch(&mut self, keeps_releases: bool) -> Vec<Unsent> {
        let mut items: Vec<Unsent> = Vec::new();
        if self.in_flight.is_some() || Instant::now() < self.not_before {
            return items;
        }
        let is_kept = |unsent: &Unsent| keeps_releases && unsent.is_released();
        let (kept, unsent): (VecDeque<_>, _) = mem::take(&mut self.unsent).into_iter().partition(is_kept);
        self.unsent = unsent;
        let mut bytes = 0;
        while let Some(next) = self.unsent.front() {
            bytes += next.report.encoded_len();
            let fits = bytes <= MAX_DELIVERED_BYTES && items.len() < MAX_ITEMS && !next.alone;
            if !items.is_empty() && (!fits || items[0].alone) {
                break;
            }
            items.extend(self.unsent.pop_front());
        }
        self.unsent.extend(kept);
        items
    }

    /// Sends outcomes, and asks for so many tasks in the same request.
    pub(super) fn send(&mut self, context: &Arc<SlotContext>, items: Vec<Unsent>, asked: u32) {
        let request = CompleteRequest {
            agent_id: context.session.agent_id().to_owned(),
            results: items.iter().map(|item| item.report.clone()).collect(),
            claim_next: (asked > 0).then(|| claiming::request(context, asked, Duration::ZERO)),
        };
        let context = Arc::clone(context);
        let answer = Box::pin(async move { context.session.coordinator.complete(&request).await });
        self.in_flight = Some(Delivery {
            answer,
            items,
            asked,
            sent: BootTime::now(),
        });
    }

    /// Takes the answer of the delivery in flight.
    pub(super) fn take(&mut self, answer: Result<CompleteResponse, CallFailure>) -> Delivered {
        let mut delivered = Delivered::default();
        let Some(Delivery {
            mut items,
            sent,
            asked,
            ..
        }) = self.in_flight.take()
        else {
            return delivered;
        };
        match answer {
            // The next claim or heartbeat registers again. The outcomes wait for it.
            Err(failure) if failure.reason() == Some(Reason::AgentNotFound) => {
                self.unsent.extend(items);
                self.not_before = Instant::now() + self.pauses.pause();
            }
            Err(failure) if items.len() == 1 => {
                let refused = items.into_iter().map(|item| (item, sentence(&failure)));
                delivered.refused.extend(refused);
            }
            Err(failure) => {
                // One outcome is at fault. Alone the others get through.
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
                self.take_results(items, mem::take(&mut answer.results), &mut delivered);
                delivered.claimed = answer.claimed.map(|claimed| (claimed, sent));
                if delivered.claimed.is_none()
                    && asked > 0
                    && let Some(refusal) = answer.claim_refusal
                {
                    // The claim that follows meets the same refusal and deals with it.
                    tracing::debug!(error = refusal.message, "the next claim was refused");
                }
            }
        }
        delivered
    }

    fn take_results(&mut self, items: Vec<Unsent>, results: Vec<ReportResult>, delivered: &mut Delivered) {
        let mut results = results.into_iter();
        let mut again = false;
        for item in items {
            let result = results.next().filter(|result| result.task_id == item.key.task_id);
            match result {
                Some(ReportResult { refusal: None, .. }) => delivered.confirmed.push(item.key),
                Some(ReportResult {
                    refusal: Some(refusal),
                    ..
                }) if !is_momentary(&refusal.reason) => {
                    let why = format!("{} ({})", refusal.message, refusal.reason);
                    delivered.refused.push((item, why));
                }
                _ => {
                    again = true;
                    self.unsent.push_back(item);
                }
            }
        }
        if again {
            self.not_before = Instant::now() + self.pauses.pause();
        } else {
            self.pauses.reset();
        }
    }

    /// The outcomes that are not on the disk.
    pub(super) fn unwritten(&self) -> Vec<(AttemptKey, AttemptReport)> {
        self.items()
            .filter(|item| item.unwritten.is_some())
            .map(|item| (item.key.clone(), item.report.clone()))
            .collect()
    }

    /// Notes that no outcome is on the disk any more.
    pub(super) fn note_unwritten(&mut self) {
        let in_flight = self.in_flight.iter_mut().flat_map(|delivery| &mut delivery.items);
        for item in in_flight.chain(&mut self.unsent) {
            item.unwritten = Some(io::ErrorKind::NotFound.into());
        }
    }

    /// Notes that these outcomes are on the disk now; returns those that were confirmed meanwhile.
    pub(super) fn note_written(&mut self, keys: Vec<AttemptKey>) -> Vec<AttemptKey> {
        let in_flight = self.in_flight.iter_mut().flat_map(|delivery| &mut delivery.items);
        let mut items: Vec<&mut Unsent> = in_flight.chain(&mut self.unsent).collect();
        let mut confirmed = Vec::new();
        for key in keys {
            match items.iter_mut().find(|item| item.key == key) {
                Some(item) => item.unwritten = None,
                None => confirmed.push(key),
            }
        }
        confirmed
    }
}

/// Whether the next try may get past this refusal.
fn is_momentary(reason: &str) -> bool {
    matches!(
        Reason::parse(reason),
        Some(Reason::Busy | Reason::QueueFull | Reason::DiskFull | Reason::ShuttingDown)
    )
}

#[cfg(test)]
mod tests {
    use std::{future::pending, time::SystemTime};

    use swarm_proto::v1::{LeaseRef, Output, Refusal, Released, attempt_report::Outcome};

    use super::*;

    fn unsent(task_id: &str) -> Unsent {
        let lease = LeaseRef {
            task_id: task_id.to_owned(),
            attempt: 1,
            lease_token: vec![7; 16],
            run_time: None,
        };
        let report = AttemptReport {
            lease: Some(lease),
            ..AttemptReport::default()
        };
        Unsent::new(report, SystemTime::UNIX_EPOCH)
    }

    fn delivering(task_ids: &[&str]) -> Delivering {
        let mut delivering = Delivering::new(Vec::new(), Backoff::new(Duration::ZERO, Duration::ZERO));
        for task_id in task_ids {
            delivering.push(unsent(task_id));
        }
        delivering
    }

    /// Pretends to send the next batch; returns its task ids.
    fn send(delivering: &mut Delivering) -> Vec<String> {
        let items = delivering.next_batch(false);
        let sent = items.iter().map(|item| item.key.task_id.clone()).collect();
        delivering.in_flight = Some(Delivery {
            answer: Box::pin(pending()),
            items,
            asked: 0,
            sent: BootTime::now(),
        });
        sent
    }

    fn result(task_id: &str, refusal: Option<Reason>) -> ReportResult {
        let refusal = refusal.map(|reason| Refusal {
            reason: reason.as_str().to_owned(),
            message: "no".to_owned(),
        });
        ReportResult {
            task_id: task_id.to_owned(),
            refusal,
            ..ReportResult::default()
        }
    }

    #[test]
    fn of_one_delivery_each_outcome_stands_for_itself() {
        let mut delivering = delivering(&["taken", "lost", "later", "unanswered"]);
        assert_eq!(send(&mut delivering).len(), 4);
        let delivered = delivering.take(Ok(CompleteResponse {
            results: vec![
                result("taken", None),
                result("lost", Some(Reason::LeaseLost)),
                result("later", Some(Reason::Busy)),
            ],
            ..CompleteResponse::default()
        }));
        assert_eq!(delivered.confirmed, [unsent("taken").key]);
        let refused: Vec<_> = delivered
            .refused
            .iter()
            .map(|(item, _)| item.key.task_id.as_str())
            .collect();
        assert_eq!(refused, ["lost"]);
        assert_eq!(send(&mut delivering), ["later", "unanswered"]);
    }

    #[test]
    fn a_delivery_that_is_refused_as_a_whole_is_sent_one_by_one() {
        let refusal = || {
            let status = swarm_proto::call::status(Reason::FieldInvalid, "bad", Default::default());
            CallFailure::of(&status)
        };
        let mut delivering = delivering(&["a", "b"]);
        assert_eq!(send(&mut delivering), ["a", "b"]);
        assert!(delivering.take(Err(refusal())).refused.is_empty());
        assert_eq!(send(&mut delivering), ["a"]);
        assert_eq!(delivering.take(Err(refusal())).refused.len(), 1);
        assert_eq!(send(&mut delivering), ["b"]);
    }

    #[test]
    fn a_batch_has_no_more_than_a_message_may_have() {
        let mut delivering = delivering(&[]);
        for n in 0..MAX_ITEMS + 10 {
            delivering.push(unsent(&format!("t{n}")));
        }
        assert!(delivering.is_full());
        assert_eq!(delivering.next_batch(false).len(), MAX_ITEMS);
        let mut large = unsent("large");
        large.report.output = Some(Output {
            stdout: vec![0; MAX_DELIVERED_BYTES],
            ..Output::default()
        });
        delivering.push(large);
        assert_eq!(delivering.next_batch(false).len(), 10);
        assert_eq!(delivering.next_batch(false).len(), 1);
    }

    #[test]
    fn tasks_to_give_back_wait_while_others_are_delivered() {
        let mut delivering = delivering(&["done", "undone"]);
        delivering.unsent[1].report.outcome = Some(Outcome::Released(Released::default()));
        let ids = |items: Vec<Unsent>| items.into_iter().map(|item| item.key.task_id).collect::<Vec<_>>();
        assert_eq!(ids(delivering.next_batch(true)), ["done"]);
        assert!(delivering.next_batch(true).is_empty() && !delivering.is_done());
        assert_eq!(ids(delivering.next_batch(false)), ["undone"]);
    }

    #[test]
    fn outcomes_of_a_recalled_delivery_wait_again() {
        let mut delivering = delivering(&["a"]);
        send(&mut delivering);
        delivering.push(unsent("b"));
        assert!(!delivering.is_done() && delivering.wake().is_some());
        delivering.recall();
        assert_eq!(delivering.items().count(), 2);
    }
}
