//! Calls to the coordinator. When an answer is lost, the same request is sent again.

use std::{
    pin::Pin,
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use swarm_program::{exit::Exit, failure::Failure};
use swarm_proto::{
    call::CallFailure,
    channel::{self, Address},
    duration::format_duration,
    limits::MAX_MESSAGE_BYTES,
    probe::{self, Peer},
    unary::{self, Unary},
    v1::{Event, StreamEventsRequest, coordinator_service_client::CoordinatorServiceClient},
};
use tonic::{Code, Status, Streaming, transport::Channel};

use super::patience::Patience;
use crate::program::{failure, globals::Globals, next, terminal::note};

/// How long an answer may take before it counts as lost. The coordinator answers all requests of swarmctl at once.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// How long the first call may take before swarmctl probes who listens at the address.
const SUSPICION: Duration = Duration::from_secs(2);

/// A connection to a coordinator that may be away for a while.
#[derive(Debug)]
pub struct Client {
    address: Address,
    channel: Channel,
    retry_for: Duration,
    /// Whether a first connection that fails is tried again.
    awaits_start: bool,
    patient: bool,
    reached: AtomicBool,
    /// Whether an answer was lost whose request may have been carried out.
    lost_an_answer: AtomicBool,
    /// The kind of server at the address, when it is no coordinator.
    stranger: OnceLock<Peer>,
}

impl Client {
    /// A client of the coordinator in the flags. It connects with the first call.
    ///
    /// # Errors
    ///
    /// When the address cannot be used.
    pub fn open(globals: &Globals) -> anyhow::Result<Client> {
        let channel =
            channel::open(&globals.coordinator).map_err(|sentence| Failure::new(Exit::Usage, sentence))?;
        Ok(Client {
            address: globals.coordinator.clone(),
            channel,
            retry_for: globals.retry_for,
            awaits_start: globals.retry_for_is_given,
            patient: false,
            reached: AtomicBool::new(false),
            lost_an_answer: AtomicBool::new(false),
            stranger: OnceLock::new(),
        })
    }

    /// Waits for the coordinator without a limit from now on, for the first connection too.
    #[must_use]
    pub fn patiently(mut self) -> Client {
        self.patient = true;
        self
    }

    /// Where the coordinator listens.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Whether an answer was lost, so that what a request finds there may be the work of the same request before.
    pub(crate) fn has_lost_an_answer(&self) -> bool {
        self.lost_an_answer.load(Ordering::Relaxed)
    }

    /// A command line to type next, for this coordinator.
    pub fn next(&self, rest: &str) -> String {
        next::next(&self.address, rest)
    }

    /// Sends a request until it is answered.
    ///
    /// # Errors
    ///
    /// When the coordinator refuses, or stays away for too long.
    pub async fn call<Q: Unary + Clone>(&self, request: Q) -> Result<Q::Answer, Box<CallFailure>> {
        let mut patience = self.patience();
        loop {
            let limit = patience.answer_limit(ANSWER_TIMEOUT);
            let answer = Box::pin(async {
                match tokio::time::timeout(limit, unary::send(self.channel.clone(), request.clone())).await {
                    Ok(Ok(response)) => Ok(response.into_inner()),
                    Ok(Err(status)) => Err(failure_of(&status)),
                    Err(_elapsed) => Err(Box::new(CallFailure::Lost {
                        code: Code::DeadlineExceeded,
                        message: format!("no answer within {}", format_duration(limit)),
                        unsent: false,
                    })),
                }
            });
            let failure = match self.recognising(answer).await {
                Ok(answer) => {
                    self.answered(&mut patience);
                    return Ok(answer);
                }
                Err(failure) => failure,
            };
            self.pause_after(failure, &mut patience).await?;
        }
    }

    /// Opens a stream of events once; `follow.rs` opens it again after a loss.
    pub(crate) async fn stream_events(
        &self,
        request: StreamEventsRequest,
    ) -> Result<Streaming<Event>, Box<CallFailure>> {
        let mut service = CoordinatorServiceClient::new(self.channel.clone())
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES);
        let opening = Box::pin(async {
            let stream = service.stream_events(request).await;
            stream.map_err(|status| failure_of(&status))
        });
        let stream = self.recognising(opening).await?.into_inner();
        self.reached.store(true, Ordering::Relaxed);
        Ok(stream)
    }

    /// The patience for one request.
    pub(crate) fn patience(&self) -> Patience {
        Patience::new((!self.patient).then_some(self.retry_for))
    }

    /// Pauses after a failed call, if the same request may be sent again.
    ///
    /// # Errors
    ///
    /// The failure itself, when it is final.
    pub(crate) async fn pause_after(
        &self,
        failure: Box<CallFailure>,
        patience: &mut Patience,
    ) -> Result<(), Box<CallFailure>> {
        if matches!(*failure, CallFailure::Lost { unsent: false, .. }) {
            self.lost_an_answer.store(true, Ordering::Relaxed);
        }
        let first_connection_failed = matches!(*failure, CallFailure::Lost { unsent: true, .. })
            && !self.reached.load(Ordering::Relaxed);
        let is_final = !failure.is_transient() || self.stranger.get().is_some();
        if is_final || (first_connection_failed && !self.patient && !self.awaits_start) {
            return Err(failure);
        }
        let at_least = match &*failure {
            CallFailure::Refused { retry_after, .. } => retry_after.unwrap_or_default(),
            CallFailure::Lost { .. } => Duration::ZERO,
        };
        let Some(pause) = patience.pause(at_least) else {
            return Err(failure);
        };
        if patience.tell_now(first_connection_failed) {
            let why = failure::of_call("no answer", &failure, &self.address, false).sentence;
            note(format!("{why}; trying again"));
        }
        tokio::time::sleep(pause).await;
        Ok(())
    }

    /// Notes that the coordinator has answered.
    pub(crate) fn answered(&self, patience: &mut Patience) {
        self.reached.store(true, Ordering::Relaxed);
        if patience.answered() {
            note(format!("the coordinator at {} is back", self.address));
        }
    }

    /// Turns a failed call into a message for a person; `doing` says what was tried.
    pub fn failure(&self, doing: impl Into<String>) -> impl FnOnce(Box<CallFailure>) -> anyhow::Error {
        let doing = doing.into();
        let reached = self.reached.load(Ordering::Relaxed);
        let address = self.address.clone();
        let stranger = self.stranger.get().copied();
        move |failure| match stranger {
            Some(peer) => failure::of_stranger(peer, &address).into(),
            None => failure::of_call(&doing, &failure, &address, reached).into(),
        }
    }

    /// Waits for an answer. Before the first answer of all, a failure or a long silence makes swarmctl probe the
    /// address, so that a wrong port is told at once instead of being tried again and again.
    async fn recognising<A>(
        &self,
        mut answer: Pin<Box<impl Future<Output = Result<A, Box<CallFailure>>>>>,
    ) -> Result<A, Box<CallFailure>> {
        if self.reached.load(Ordering::Relaxed) {
            return answer.await;
        }
        let answered = match tokio::time::timeout(SUSPICION, &mut answer).await {
            Ok(answered) => answered,
            Err(_elapsed) => tokio::select! {
                answered = &mut answer => answered,
                failure = async {
                    match self.recognise().await {
                        Some(failure) => failure,
                        None => std::future::pending().await,
                    }
                } => return Err(failure),
            },
        };
        match answered {
            Err(failure) if matches!(*failure, CallFailure::Lost { unsent: false, .. }) => {
                Err(self.recognise().await.unwrap_or(failure))
            }
            Err(failure) => {
                if matches!(*failure, CallFailure::Refused { .. }) {
                    self.reached.store(true, Ordering::Relaxed);
                }
                Err(failure)
            }
            Ok(answer) => Ok(answer),
        }
    }

    /// Probes the address; gives a failure when no coordinator listens there.
    async fn recognise(&self) -> Option<Box<CallFailure>> {
        let peer = probe::probe(&self.address).await;
        // A silent coordinator may recover, and a patient client waits for that too.
        let fault = peer.fault().filter(|_| !(self.patient && peer == Peer::Silent))?;
        self.stranger.get_or_init(|| peer);
        Some(Box::new(CallFailure::Lost {
            code: Code::Unavailable,
            message: fault.to_owned(),
            unsent: false,
        }))
    }
}

fn failure_of(status: &Status) -> Box<CallFailure> {
    Box::new(CallFailure::of(status))
}
