//! Typed calls to the coordinator. A lost answer and a transient refusal are
//! repeated with the very same request, with jittered backoff and for ever;
//! what comes back as an error is final for that request.

use std::{
    future::Future,
    pin::pin,
    sync::{
        Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use swarm_proto::{
    MAX_MESSAGE_BYTES,
    channel::{self, Address},
    reason::Failure,
    v1::{
        ClaimRequest, ClaimResponse, CompleteRequest, CompleteResponse, DeregisterAgentRequest,
        GetServerInfoRequest, GetTaskRequest, HeartbeatRequest, HeartbeatResponse, RegisterAgentRequest,
        RegisterAgentResponse, Task, admin_service_client::AdminServiceClient,
        coordinator_service_client::CoordinatorServiceClient, task_service_client::TaskServiceClient,
    },
};
use tonic::{Code, Response, Status, transport::Channel};

use crate::{
    backoff::Backoff,
    config::{Config, LogFormat},
};

/// An answer that takes this much longer than it may be held back is lost.
const ANSWER_LIMIT: Duration = Duration::from_secs(15);
/// While the coordinator is away, it is said this often.
const SAY_AGAIN: Duration = Duration::from_secs(60);

/// Why a call has no answer.
#[derive(Clone, Debug)]
pub(crate) enum CallError {
    /// The coordinator decided; a repeat changes nothing.
    Final(Failure),
    /// Another coordinator, with other data, answers at the address now.
    OtherCluster(String),
}

/// The coordinator, wherever of the given addresses it answers.
pub(crate) struct Coordinator {
    targets: Vec<(Address, Channel)>,
    current: AtomicUsize,
    backoff_max: Duration,
    jitter_max: Duration,
    /// A quarter of the lease TTL in milliseconds: pauses are never longer.
    pause_cap_ms: AtomicU64,
    log_format: LogFormat,
    contact: Mutex<Contact>,
}

/// What is known about who answers.
#[derive(Default)]
struct Contact {
    /// The data that this agent works for, once it knows.
    cluster_id: Option<String>,
    /// A call failed since the cluster was last seen to be the same.
    unverified: bool,
    /// Since when nobody answers, and when that was last said.
    away: Option<(Instant, Instant)>,
}

impl Coordinator {
    /// Connects with the first call.
    ///
    /// # Errors
    ///
    /// A sentence when an address cannot be used.
    pub(crate) fn new(config: &Config) -> Result<Coordinator, String> {
        let targets = config
            .coordinator
            .iter()
            .map(|address| Ok((address.clone(), channel::open(address)?)))
            .collect::<Result<Vec<_>, String>>()?;
        if targets.is_empty() {
            return Err("no coordinator is named: --coordinator HOST:PORT".to_owned());
        }
        Ok(Coordinator {
            targets,
            current: AtomicUsize::new(0),
            backoff_max: config.backoff_max,
            jitter_max: config.jitter_max,
            pause_cap_ms: AtomicU64::new(u64::MAX),
            log_format: config.log_format,
            contact: Mutex::default(),
        })
    }

    /// The address that is used now.
    pub(crate) fn address(&self) -> &Address {
        &self.target().0
    }

    /// Pauses from now on are at most a quarter of this.
    pub(crate) fn set_lease_ttl(&self, lease_ttl: Duration) {
        let quarter = u64::try_from((lease_ttl / 4).as_millis()).unwrap_or(u64::MAX);
        self.pause_cap_ms.store(quarter, Ordering::Relaxed);
    }

    /// Fresh pauses by the flags and the lease TTL.
    pub(crate) fn backoff(&self) -> Backoff {
        let quarter = Duration::from_millis(self.pause_cap_ms.load(Ordering::Relaxed));
        Backoff::new(self.backoff_max.min(quarter), self.jitter_max)
    }

    /// Asks whose data the coordinator keeps, and works for them from now on.
    pub(crate) async fn join_cluster(&self) -> Result<String, CallError> {
        {
            let mut contact = self.contact();
            contact.cluster_id = None;
            contact.unverified = false;
        }
        let cluster_id = self.call("join", ANSWER_LIMIT, cluster_id).await?;
        self.contact().cluster_id = Some(cluster_id.clone());
        Ok(cluster_id)
    }

    pub(crate) async fn register(
        &self,
        request: &RegisterAgentRequest,
    ) -> Result<RegisterAgentResponse, CallError> {
        self.call("register", ANSWER_LIMIT, |channel| {
            let request = request.clone();
            async move { coordinator_service(channel).register_agent(request).await }
        })
        .await
    }

    pub(crate) async fn deregister(&self, request: &DeregisterAgentRequest) -> Result<(), CallError> {
        self.call("say goodbye", ANSWER_LIMIT, |channel| {
            let request = request.clone();
            async move { coordinator_service(channel).deregister_agent(request).await }
        })
        .await
        .map(|_| ())
    }

    /// Asks for work; the answer may be held back for `wait`.
    pub(crate) async fn claim(
        &self,
        request: &ClaimRequest,
        wait: Duration,
    ) -> Result<ClaimResponse, CallError> {
        self.call("claim", wait + ANSWER_LIMIT, |channel| {
            let request = request.clone();
            async move { coordinator_service(channel).claim(request).await }
        })
        .await
    }

    /// One renewal, not repeated: the next one lists the leases of its own time.
    pub(crate) async fn heartbeat_once(
        &self,
        request: HeartbeatRequest,
        wait: Duration,
    ) -> Result<HeartbeatResponse, Failure> {
        let (address, channel) = self.target();
        let call = async move { coordinator_service(channel.clone()).heartbeat(request).await };
        let answer = limited(wait + ANSWER_LIMIT, call).await;
        match answer {
            Ok(answer) => {
                self.note_answer();
                Ok(answer)
            }
            Err(failure) => {
                self.note_failure("renew leases", address, &failure);
                Err(failure)
            }
        }
    }

    pub(crate) async fn complete(&self, request: &CompleteRequest) -> Result<CompleteResponse, CallError> {
        self.call("report", ANSWER_LIMIT, |channel| {
            let request = request.clone();
            async move { coordinator_service(channel).complete(request).await }
        })
        .await
    }

    pub(crate) async fn get_task(&self, task_id: &str) -> Result<Task, CallError> {
        let answer = self
            .call("read a task", ANSWER_LIMIT, |channel| {
                let request = GetTaskRequest {
                    task_id: task_id.to_owned(),
                };
                let mut service =
                    TaskServiceClient::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES);
                async move { service.get_task(request).await }
            })
            .await?;
        Ok(answer.task.unwrap_or_default())
    }

    /// Makes a call until it is answered or refused for good.
    async fn call<T, Call>(
        &self,
        what: &str,
        limit: Duration,
        call: impl Fn(Channel) -> Call,
    ) -> Result<T, CallError>
    where
        Call: Future<Output = Result<Response<T>, Status>> + Send,
    {
        let mut backoff = self.backoff();
        loop {
            let (address, channel) = self.target();
            let failure = match self.verify_cluster(channel).await {
                Ok(()) => match limited(limit, call(channel.clone())).await {
                    Ok(answer) => {
                        self.note_answer();
                        return Ok(answer);
                    }
                    Err(failure) => failure,
                },
                Err(CallError::Final(failure)) => failure,
                Err(other) => return Err(other),
            };
            self.note_failure(what, address, &failure);
            let asked = match &failure {
                _ if !is_worth_repeating(&failure) => return Err(CallError::Final(failure)),
                Failure::Refused { retry_after, .. } => retry_after.unwrap_or_default(),
                Failure::Lost { .. } => Duration::ZERO,
            };
            tokio::time::sleep(asked.min(self.backoff_max) + backoff.pause()).await;
        }
    }

    /// After a failure the address may have another owner: nothing about one cluster's tasks goes to another.
    async fn verify_cluster(&self, channel: &Channel) -> Result<(), CallError> {
        let expected = {
            let contact = self.contact();
            match &contact.cluster_id {
                Some(expected) if contact.unverified => expected.clone(),
                _ => return Ok(()),
            }
        };
        let found = limited(ANSWER_LIMIT, cluster_id(channel.clone()))
            .await
            .map_err(CallError::Final)?;
        if found != expected {
            return Err(CallError::OtherCluster(found));
        }
        self.contact().unverified = false;
        Ok(())
    }

    fn target(&self) -> &(Address, Channel) {
        &self.targets[self.current.load(Ordering::Relaxed) % self.targets.len()]
    }

    fn note_answer(&self) {
        if let Some((since, _)) = self.contact().away.take() {
            tracing::info!(
                "the coordinator at {} answers again after {} s",
                self.address(),
                since.elapsed().as_secs()
            );
        }
    }

    /// Turns to the next address when nobody answered, and says so once and then once a minute.
    fn note_failure(&self, what: &str, address: &Address, failure: &Failure) {
        let Failure::Lost { message, unsent, .. } = failure else {
            tracing::debug!("cannot {what} at {address}: {}", failure.message());
            return;
        };
        let due = {
            let now = Instant::now();
            let mut contact = self.contact();
            contact.unverified = true;
            let due = contact
                .away
                .is_none_or(|(_, said)| now.duration_since(said) >= SAY_AGAIN);
            if due {
                contact.away = Some((contact.away.map_or(now, |(since, _)| since), now));
            }
            due
        };
        if due {
            self.say_away(address, message, *unsent);
        }
        let failed = self
            .targets
            .iter()
            .position(|(target, _)| target == address)
            .unwrap_or(0);
        let next = (failed + 1) % self.targets.len();
        // Another call may have turned already; turning twice would come back to the silent one.
        let _ = self
            .current
            .compare_exchange(failed, next, Ordering::Relaxed, Ordering::Relaxed);
    }

    fn say_away(&self, address: &Address, message: &str, unsent: bool) {
        let message = if unsent {
            bare_cause(message)
        } else {
            message.to_owned()
        };
        let help = if unsent {
            format!(
                "nothing listens there: start one with `coordinator --listen {address}`, or name another with \
                 --coordinator HOST:PORT; trying again until it answers"
            )
        } else {
            "the connection was lost or is no coordinator's; trying again until it answers".to_owned()
        };
        match self.log_format {
            LogFormat::Text => {
                eprintln!("error: cannot reach the coordinator at {address}: {message}\nhelp: {help}")
            }
            LogFormat::Json => tracing::error!(help, "cannot reach the coordinator at {address}: {message}"),
        }
    }

    fn contact(&self) -> std::sync::MutexGuard<'_, Contact> {
        self.contact
            .lock()
            .expect("nothing panics while it notes a contact")
    }
}

/// What a final refusal says, for people.
pub(crate) fn sentence(failure: &Failure) -> String {
    match failure {
        Failure::Refused {
            word,
            message,
            faults,
            ..
        } => {
            let faults: String = faults
                .iter()
                .map(|fault| format!("; {}: {}", fault.field, fault.description))
                .collect();
            format!("{message} ({word}){faults}")
        }
        Failure::Lost { message, .. } => message.clone(),
    }
}

/// Of a chain of causes of a connection that was not made the last one, in plain words.
fn bare_cause(chain: &str) -> String {
    let cause = chain.rsplit(": ").next().unwrap_or(chain);
    let cause = cause.split(" (os error").next().unwrap_or(cause);
    cause.to_lowercase()
}

fn coordinator_service(channel: Channel) -> CoordinatorServiceClient<Channel> {
    CoordinatorServiceClient::new(channel)
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES)
}

async fn cluster_id(channel: Channel) -> Result<Response<String>, Status> {
    let answer = AdminServiceClient::new(channel)
        .get_server_info(GetServerInfoRequest {})
        .await?;
    Ok(answer.map(|info| info.cluster_id))
}

/// Waits for an answer, but not longer than this: a peer that fell silent is a lost answer.
async fn limited<T>(
    limit: Duration,
    call: impl Future<Output = Result<Response<T>, Status>>,
) -> Result<T, Failure> {
    let call = pin!(call);
    match tokio::time::timeout(limit, call).await {
        Ok(Ok(answer)) => Ok(answer.into_inner()),
        Ok(Err(status)) => Err(Failure::of(&status)),
        Err(_) => Err(Failure::Lost {
            code: Code::DeadlineExceeded,
            message: format!("no answer within {} s", limit.as_secs()),
            unsent: false,
        }),
    }
}

/// Whether a repeat can ever change the answer.
fn is_worth_repeating(failure: &Failure) -> bool {
    match failure {
        // A token can be renewed while an agent runs, and what it holds must not be thrown away meanwhile.
        Failure::Refused {
            code: Code::Unauthenticated,
            ..
        } => true,
        // Whoever answers there is no coordinator; one may come back.
        Failure::Lost {
            code: Code::Unimplemented,
            ..
        } => true,
        other => other.is_transient(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_connection_is_told_in_plain_words() {
        let chain = "tcp connect error: transport error: Connection refused (os error 111)";
        assert_eq!(bare_cause(chain), "connection refused");
    }

    #[test]
    fn an_expired_token_and_a_wrong_peer_are_waited_out_and_refusals_are_not() {
        let failure = |status: Status| Failure::of(&status);
        assert!(is_worth_repeating(&failure(Status::unimplemented(
            "no such service"
        ))));
        assert!(is_worth_repeating(&failure(Status::unknown("broken pipe"))));
        let refusal = swarm_proto::reason::status(
            swarm_proto::reason::Reason::FieldInvalid,
            "bad",
            swarm_proto::reason::Details::default(),
        );
        assert!(!is_worth_repeating(&failure(refusal)));
    }
}
