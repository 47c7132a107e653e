//! Calls to the coordinator; a lost answer is asked for again with the same request.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use swarm_proto::{
    MAX_MESSAGE_BYTES,
    channel::{self, Address},
    reason::Failure,
    v1::{
        CancelTasksRequest, CancelTasksResponse, Event, GetAgentRequest, GetAgentResponse, GetJobRequest,
        GetJobResponse, GetServerInfoRequest, GetServerInfoResponse, GetStatusRequest, GetStatusResponse,
        GetTaskRequest, GetTaskResponse, ListAgentsRequest, ListAgentsResponse, ListJobsRequest,
        ListJobsResponse, ListTasksRequest, ListTasksResponse, RetryTasksRequest, RetryTasksResponse,
        StreamEventsRequest, SubmitTasksRequest, SubmitTasksResponse,
        admin_service_client::AdminServiceClient, agent_service_client::AgentServiceClient,
        coordinator_service_client::CoordinatorServiceClient, task_service_client::TaskServiceClient,
    },
};
use tonic::{Code, Response, Status, Streaming, transport::Channel};

use crate::{args::Globals, exit::Exit, output::note, patience::Patience, trouble::Trouble};

/// A call that has not been answered for this long is lost. Everything that swarmctl asks is answered at once.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// A coordinator that may be away for a while.
#[derive(Debug)]
pub struct Client {
    address: Address,
    channel: Channel,
    retry_for: Duration,
    patient: bool,
    reached: AtomicBool,
}

macro_rules! calls {
    ($($service:ident { $($method:ident($request:ty) -> $response:ty;)* })*) => {
        impl Client {
            $($(
                #[doc = concat!("Calls `", stringify!($service), "`, method `", stringify!($method), "`.")]
                ///
                /// # Errors
                ///
                /// When the coordinator refuses, or stays away for too long.
                pub async fn $method(&self, request: $request) -> Result<$response, Box<Failure>> {
                    self.call(request, async |channel, request| {
                        $service::new(channel)
                            .max_decoding_message_size(MAX_MESSAGE_BYTES)
                            .max_encoding_message_size(MAX_MESSAGE_BYTES)
                            .$method(request)
                            .await
                    })
                    .await
                }
            )*)*
        }
    };
}

calls! {
    TaskServiceClient {
        submit_tasks(SubmitTasksRequest) -> SubmitTasksResponse;
        get_task(GetTaskRequest) -> GetTaskResponse;
        list_tasks(ListTasksRequest) -> ListTasksResponse;
        cancel_tasks(CancelTasksRequest) -> CancelTasksResponse;
        retry_tasks(RetryTasksRequest) -> RetryTasksResponse;
        get_job(GetJobRequest) -> GetJobResponse;
        list_jobs(ListJobsRequest) -> ListJobsResponse;
    }
    AgentServiceClient {
        list_agents(ListAgentsRequest) -> ListAgentsResponse;
        get_agent(GetAgentRequest) -> GetAgentResponse;
    }
    AdminServiceClient {
        get_status(GetStatusRequest) -> GetStatusResponse;
        get_server_info(GetServerInfoRequest) -> GetServerInfoResponse;
    }
}

impl Client {
    /// A client of the coordinator that the flags name; it connects with the first call.
    ///
    /// # Errors
    ///
    /// When the address cannot be used.
    pub fn open(globals: &Globals) -> anyhow::Result<Client> {
        let channel =
            channel::open(&globals.coordinator).map_err(|sentence| Trouble::new(Exit::Usage, sentence))?;
        Ok(Client {
            address: globals.coordinator.clone(),
            channel,
            retry_for: globals.retry_for,
            patient: false,
            reached: AtomicBool::new(false),
        })
    }

    /// From now on waits for the coordinator for as long as it takes, also for the first connection.
    #[must_use]
    pub fn patiently(mut self) -> Client {
        self.patient = true;
        self
    }

    /// Where the coordinator listens.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Opens a stream of events, once: following it across losses is what `follow.rs` does.
    pub(crate) async fn stream_events(
        &self,
        request: StreamEventsRequest,
    ) -> Result<Streaming<Event>, Box<Failure>> {
        let mut service = CoordinatorServiceClient::new(self.channel.clone())
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES);
        match service.stream_events(request).await {
            Ok(response) => {
                self.reached.store(true, Ordering::Relaxed);
                Ok(response.into_inner())
            }
            Err(status) => Err(self.failure(&status)),
        }
    }

    /// How long lost answers are asked for again.
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
        failure: Box<Failure>,
        patience: &mut Patience,
    ) -> Result<(), Box<Failure>> {
        let first_connection_failed =
            matches!(*failure, Failure::Lost { unsent: true, .. }) && !self.reached.load(Ordering::Relaxed);
        if !failure.is_transient() || (first_connection_failed && !self.patient) {
            return Err(failure);
        }
        let at_least = match &*failure {
            Failure::Refused { retry_after, .. } => retry_after.unwrap_or_default(),
            Failure::Lost { .. } => Duration::ZERO,
        };
        let Some(pause) = patience.pause(at_least) else {
            return Err(failure);
        };
        if patience.tell_now(first_connection_failed) {
            let why = Trouble::of_failure("no answer", &failure, &self.address, false).message;
            note(format!("{why}; trying again"));
        }
        tokio::time::sleep(pause).await;
        Ok(())
    }

    /// Notes that the coordinator is there.
    pub(crate) fn answered(&self, patience: &mut Patience) {
        self.reached.store(true, Ordering::Relaxed);
        if patience.answered() {
            note(format!("the coordinator at {} is back", self.address));
        }
    }

    /// Turns a failed call into what a person is told; `doing` says what was tried.
    pub fn trouble(&self, doing: impl Into<String>) -> impl FnOnce(Box<Failure>) -> anyhow::Error {
        let doing = doing.into();
        let reached = self.reached.load(Ordering::Relaxed);
        let address = self.address.clone();
        move |failure| Trouble::of_failure(&doing, &failure, &address, reached).into()
    }

    async fn call<Q: Clone, A>(
        &self,
        request: Q,
        send: impl AsyncFn(Channel, Q) -> Result<Response<A>, Status>,
    ) -> Result<A, Box<Failure>> {
        let mut patience = self.patience();
        loop {
            let answer = tokio::time::timeout(ANSWER_TIMEOUT, send(self.channel.clone(), request.clone()));
            let failure = match answer.await {
                Ok(Ok(response)) => {
                    self.answered(&mut patience);
                    return Ok(response.into_inner());
                }
                Ok(Err(status)) => self.failure(&status),
                Err(_elapsed) => Box::new(Failure::Lost {
                    code: Code::DeadlineExceeded,
                    message: format!("no answer within {} s", ANSWER_TIMEOUT.as_secs()),
                    unsent: false,
                }),
            };
            self.pause_after(failure, &mut patience).await?;
        }
    }

    fn failure(&self, status: &Status) -> Box<Failure> {
        let mut failure = Failure::of(status);
        match &mut failure {
            Failure::Refused { .. } => self.reached.store(true, Ordering::Relaxed),
            // A name that does not resolve is as final as a refused connection.
            Failure::Lost { message, unsent, .. } => *unsent |= message.contains("dns error"),
        }
        Box::new(failure)
    }
}
