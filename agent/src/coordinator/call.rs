//! One call: the address it is sent to, its repeats, the doubt about who answers, and what the log says meanwhile.

use std::{
    future::Future,
    pin::pin,
    sync::{Arc, Mutex, atomic::Ordering},
    time::{Duration, Instant},
};

use swarm_program::{exit::Exit, failure::Failure};
use swarm_proto::{
    call::CallFailure,
    channel::Address,
    probe::{Peer, probe},
};
use tokio::time::sleep;
use tonic::{Code, Response, Status, transport::Channel};

use crate::program::lasted::after;

use super::{ANSWER_LIMIT, CallError, Contact, Coordinator, cluster_id, contact::Doubt, lock};

impl Coordinator {
    /// Repeats a call until our own coordinator answers it or refuses it for good. Answers of another one are waited
    /// out.
    pub(super) async fn call_own<T, Call>(
        &self,
        what: &str,
        limit: Duration,
        send: impl Fn(Channel) -> Call,
        is_doubtful: impl Fn(&T) -> bool,
    ) -> Result<T, CallFailure>
    where
        Call: Future<Output = Result<Response<T>, Status>>,
    {
        let mut backoff = self.backoff();
        loop {
            match self.call(what, limit, &send, &is_doubtful).await {
                Ok(answer) => return Ok(answer),
                Err(CallError::Failed(failure)) => return Err(failure),
                Err(CallError::OtherCluster(_)) => sleep(backoff.pause()).await,
            }
        }
    }

    /// Repeats a call until it is answered, refused for good, or answered by another coordinator.
    pub(super) async fn call<T, Call>(
        &self,
        what: &str,
        limit: Duration,
        send: impl Fn(Channel) -> Call,
        is_doubtful: impl Fn(&T) -> bool,
    ) -> Result<T, CallError>
    where
        Call: Future<Output = Result<Response<T>, Status>>,
    {
        let mut backoff = self.backoff();
        loop {
            let asked = match self.once(what, limit, &send, &is_doubtful).await {
                Err(CallError::Failed(failure)) if is_worth_repeating(&failure) => match failure {
                    CallFailure::Refused { retry_after, .. } => retry_after.unwrap_or_default(),
                    CallFailure::Lost { .. } => Duration::ZERO,
                },
                ended => return ended,
            };
            sleep(asked.min(self.backoff_max) + backoff.pause()).await;
        }
    }

    /// Makes a call once, and notes who answered.
    pub(super) async fn once<T, Call>(
        &self,
        what: &str,
        limit: Duration,
        send: &impl Fn(Channel) -> Call,
        is_doubtful: impl Fn(&T) -> bool,
    ) -> Result<T, CallError>
    where
        Call: Future<Output = Result<Response<T>, Status>>,
    {
        let target = self.target();
        let ended = self.ask(target, limit, send, is_doubtful).await;
        match &ended {
            Ok(_) => self.note_answer(),
            Err(CallError::Failed(failure)) => self.note_failure(what, target, failure),
            Err(CallError::OtherCluster(found)) => self.note_stranger(target, found),
        }
        ended
    }

    /// Sends a request to our own cluster only, and believes answers of our own cluster only.
    async fn ask<T, Call>(
        &self,
        target: usize,
        limit: Duration,
        send: &impl Fn(Channel) -> Call,
        is_doubtful: impl Fn(&T) -> bool,
    ) -> Result<T, CallError>
    where
        Call: Future<Output = Result<Response<T>, Status>>,
    {
        let doubt = self.contact().doubt(target);
        self.resolve(target, doubt).await?;
        let answer = limited(limit, send(self.targets[target].1.clone())).await;
        // An idle connection may have been replaced by one to another coordinator, without any lost answer.
        let is_final = match &answer {
            Ok(answer) => is_doubtful(answer),
            Err(failure @ CallFailure::Refused { .. }) => !failure.is_transient(),
            Err(CallFailure::Lost { .. }) => false,
        };
        if is_final {
            let question = self.contact().question(target);
            self.resolve(target, question).await?;
        }
        answer.map_err(CallError::Failed)
    }

    /// Asks for the cluster id at an address, and settles the doubt if it is the expected one.
    async fn resolve(&self, target: usize, doubt: Option<Doubt>) -> Result<(), CallError> {
        let Some(doubt) = doubt else { return Ok(()) };
        let found = limited(ANSWER_LIMIT, cluster_id(self.targets[target].1.clone()))
            .await
            .map_err(CallError::Failed)?;
        if found != doubt.expected {
            return Err(CallError::OtherCluster(found));
        }
        self.contact().settle(target, &doubt);
        // The coordinator may hold back the answer to the call itself for long.
        self.note_answer();
        Ok(())
    }

    fn note_answer(&self) {
        let away = self.contact().answered(Instant::now());
        if let Some(away) = away {
            self.tell_stranger();
            tracing::info!(
                "the coordinator at {} answers again{}",
                self.address(),
                after(away)
            );
        }
    }

    /// Turns to the next address because nobody answered. The log says so at once, then once a minute.
    fn note_failure(&self, what: &str, target: usize, failure: &CallFailure) {
        let address = &self.targets[target].0;
        if matches!(failure, CallFailure::Refused { .. }) {
            tracing::debug!(error = failure.message(), "cannot {what} at {address}");
            return;
        }
        let due = self.contact().lost(target, Instant::now());
        if due {
            let contact = Arc::clone(&self.contact);
            tokio::spawn(say_away(address.clone(), failure.clone(), contact));
        }
        self.turn_from(target);
    }

    /// Turns to the next address because another coordinator answered. The log says so at once, then once a minute.
    fn note_stranger(&self, target: usize, cluster_id: &str) {
        let due = self.contact().met(target, cluster_id, Instant::now());
        if due {
            tracing::warn!(
                "another coordinator, with other data ({cluster_id}), answers at {}: nothing is sent to it for now; \
                 what runs goes on, and is reported if the former one comes back",
                self.targets[target].0
            );
        }
        self.tell_stranger();
        self.turn_from(target);
    }

    pub(super) fn tell_stranger(&self) {
        let contact = self.contact();
        self.strangers.send_replace(contact.stranger().cloned());
    }

    fn turn_from(&self, target: usize) {
        let next = (target + 1) % self.targets.len();
        // Another call may have turned already. A second turn would come back to the silent address.
        let _ = self
            .current
            .compare_exchange(target, next, Ordering::Relaxed, Ordering::Relaxed);
    }
}

/// A final refusal as a sentence for people.
pub(crate) fn sentence(failure: &CallFailure) -> String {
    match failure {
        // The faults of a request say more than the word INVALID_ARGUMENT.
        CallFailure::Refused {
            code: Code::InvalidArgument,
            message,
            faults,
            ..
        } => {
            let unnamed = faults
                .iter()
                .filter(|fault| !message.contains(&fault.description));
            let unnamed: String = unnamed
                .map(|fault| format!("; {}: {}", fault.field, fault.description))
                .collect();
            format!("{message}{unnamed}")
        }
        CallFailure::Refused { word, message, .. } => format!("{message} ({word})"),
        CallFailure::Lost { .. } => failure.plain_cause(),
    }
}

/// Says that the coordinator does not answer, and what the probe of its address found.
async fn say_away(address: Address, failure: CallFailure, contact: Arc<Mutex<Contact>>) {
    let is_unsent = matches!(failure, CallFailure::Lost { unsent: true, .. });
    let peer = if is_unsent {
        Peer::Unknown
    } else {
        let peer = probe(&address).await;
        if !lock(&contact).is_silent() {
            // The coordinator answers again: the silence is no news any more.
            return;
        }
        peer
    };
    let cause = match peer.fault() {
        Some(fault) => fault.to_owned(),
        None => failure.plain_cause(),
    };
    let help = match peer.help() {
        Some(help) => help,
        None if is_unsent => format!(
            "start one with `coordinator {}`, or name another with --coordinator HOST:PORT",
            address.listen_flags()
        ),
        None => "the connection was lost, or is no coordinator's".to_owned(),
    };
    let sentence = format!("cannot reach the coordinator at {address}: {cause}");
    Failure::new(Exit::Unreachable, sentence)
        .help(format!("{help}; trying again until it answers"))
        .tell();
}

/// Waits for an answer up to a limit. A peer that stays silent for longer counts as a lost answer.
async fn limited<T>(
    limit: Duration,
    call: impl Future<Output = Result<Response<T>, Status>>,
) -> Result<T, CallFailure> {
    let call = pin!(call);
    match tokio::time::timeout(limit, call).await {
        Ok(Ok(answer)) => Ok(answer.into_inner()),
        Ok(Err(status)) => Err(CallFailure::of(&status)),
        Err(_) => Err(CallFailure::Lost {
            code: Code::DeadlineExceeded,
            message: format!("no answer within {} s", limit.as_secs()),
            unsent: false,
        }),
    }
}

/// Whether a repeat of the call can bring another answer.
fn is_worth_repeating(failure: &CallFailure) -> bool {
    match failure {
        // A token can be renewed while an agent runs. Until then its leases and outcomes must be kept.
        CallFailure::Refused {
            code: Code::Unauthenticated,
            ..
        } => true,
        // The program at this address is no coordinator. A coordinator may come back.
        CallFailure::Lost {
            code: Code::Unimplemented,
            ..
        } => true,
        other => other.is_transient(),
    }
}

#[cfg(test)]
mod tests {
    use swarm_proto::{
        call::status,
        reason::Reason,
        refusal::{Details, FieldFault},
    };

    use super::*;

    #[test]
    fn a_refusal_of_a_request_names_each_fault_once() {
        let fault = |field: &str, description: &str| FieldFault {
            field: field.to_owned(),
            description: description.to_owned(),
        };
        let details = Details {
            faults: vec![
                fault("slots", "must be at most 1000"),
                fault("name", "is too long"),
            ],
            ..Details::default()
        };
        let refusal = status(Reason::FieldInvalid, "slots: must be at most 1000", details);
        assert_eq!(
            sentence(&CallFailure::of(&refusal)),
            "slots: must be at most 1000; name: is too long"
        );
        let refusal = status(Reason::LeaseLost, "somebody else has it", Details::default());
        assert_eq!(
            sentence(&CallFailure::of(&refusal)),
            "somebody else has it (LEASE_LOST)"
        );
    }

    #[test]
    fn an_expired_token_and_a_wrong_peer_are_waited_out_and_refusals_are_not() {
        let failure = |status: Status| CallFailure::of(&status);
        assert!(is_worth_repeating(&failure(Status::unimplemented(
            "no such service"
        ))));
        assert!(is_worth_repeating(&failure(Status::unknown("broken pipe"))));
        let refusal = status(Reason::FieldInvalid, "bad", Details::default());
        assert!(!is_worth_repeating(&failure(refusal)));
    }
}
