//! Calls the services as a program of somebody else would, and writes every call down.

use std::{
    future::Future,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use swarm_proto::{
    call::CallFailure,
    channel::{self, Address},
    v1::{
        CancelTasksRequest, CancelTasksResponse, ClaimRequest, ClaimResponse, CompleteRequest,
        CompleteResponse, Event, GetTaskRequest, GetTaskResponse, HeartbeatRequest, HeartbeatResponse,
        RegisterAgentRequest, RegisterAgentResponse, ReleaseLeaseRequest, ReleaseLeaseResponse,
        RetryTasksRequest, RetryTasksResponse, StreamEventsRequest, SubmitTasksRequest, SubmitTasksResponse,
        agent_service_client::AgentServiceClient, coordinator_service_client::CoordinatorServiceClient,
        task_service_client::TaskServiceClient,
    },
};
use tokio::time::timeout;
use tonic::{Response, Status, Streaming, transport::Channel};

use super::history::{Answer, Call, Exchange};

/// An answer that takes longer counts as lost.
const PATIENCE: Duration = Duration::from_millis(1500);

/// The list of calls.
pub(crate) struct Recorder {
    start: Instant,
    calls: Mutex<Vec<Call>>,
}

impl Recorder {
    /// One whose time begins now.
    pub(crate) fn new() -> Recorder {
        Recorder {
            start: Instant::now(),
            calls: Mutex::new(Vec::new()),
        }
    }

    /// The calls in the order of the answers.
    pub(crate) fn take(&self) -> Vec<Call> {
        std::mem::take(&mut *self.calls.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How many submits a full disk has refused.
    pub(crate) fn refused_by_full_disk(&self) -> usize {
        let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls
            .iter()
            .filter(|call| call.exchange.is_refused_by_full_disk())
            .count()
    }

    fn record(&self, call: Call) {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.push(call);
    }
}

/// Somebody with a connection of its own.
pub(crate) struct Caller {
    name: String,
    channel: Channel,
    recorder: std::sync::Arc<Recorder>,
}

impl Caller {
    /// Connects with the first call.
    pub(crate) fn new(name: &str, address: &str, recorder: &std::sync::Arc<Recorder>) -> Caller {
        let address: Address = address.parse().unwrap();
        Caller {
            name: name.to_owned(),
            channel: channel::open(&address).unwrap(),
            recorder: recorder.clone(),
        }
    }

    /// Its name in the history.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    fn tasks(&self) -> TaskServiceClient<Channel> {
        TaskServiceClient::new(self.channel.clone())
    }

    fn agents(&self) -> CoordinatorServiceClient<Channel> {
        CoordinatorServiceClient::new(self.channel.clone())
    }

    pub(crate) async fn submit(&self, request: SubmitTasksRequest) -> Answer<SubmitTasksResponse> {
        let (mut service, asked) = (self.tasks(), request.clone());
        let call = async move { service.submit_tasks(asked).await };
        self.ask(call, |answer| Exchange::Submit(request, answer)).await
    }

    pub(crate) async fn cancel(&self, request: CancelTasksRequest) -> Answer<CancelTasksResponse> {
        let (mut service, asked) = (self.tasks(), request.clone());
        let call = async move { service.cancel_tasks(asked).await };
        self.ask(call, |answer| Exchange::Cancel(request, answer)).await
    }

    pub(crate) async fn retry(&self, request: RetryTasksRequest) -> Answer<RetryTasksResponse> {
        let (mut service, asked) = (self.tasks(), request.clone());
        let call = async move { service.retry_tasks(asked).await };
        self.ask(call, |answer| Exchange::Retry(request, answer)).await
    }

    pub(crate) async fn release(&self, request: ReleaseLeaseRequest) -> Answer<ReleaseLeaseResponse> {
        let (mut service, asked) = (AgentServiceClient::new(self.channel.clone()), request.clone());
        let call = async move { service.release_lease(asked).await };
        self.ask(call, |answer| Exchange::Release(request, answer)).await
    }

    pub(crate) async fn get(&self, request: GetTaskRequest) -> Answer<GetTaskResponse> {
        let (mut service, asked) = (self.tasks(), request.clone());
        let call = async move { service.get_task(asked).await };
        self.ask(call, |answer| Exchange::Get(request, answer)).await
    }

    pub(crate) async fn register(&self, request: RegisterAgentRequest) -> Answer<RegisterAgentResponse> {
        let (mut service, asked) = (self.agents(), request.clone());
        let call = async move { service.register_agent(asked).await };
        self.ask(call, |answer| Exchange::Register(request, answer)).await
    }

    pub(crate) async fn claim(&self, request: ClaimRequest) -> Answer<ClaimResponse> {
        let (mut service, asked) = (self.agents(), request.clone());
        let call = async move { service.claim(asked).await };
        self.ask(call, |answer| Exchange::Claim(request, answer)).await
    }

    pub(crate) async fn heartbeat(&self, request: HeartbeatRequest) -> Answer<HeartbeatResponse> {
        let (mut service, asked) = (self.agents(), request.clone());
        let call = async move { service.heartbeat(asked).await };
        self.ask(call, |answer| Exchange::Heartbeat(request, answer))
            .await
    }

    pub(crate) async fn complete(&self, request: CompleteRequest) -> Answer<CompleteResponse> {
        let (mut service, asked) = (self.agents(), request.clone());
        let call = async move { service.complete(asked).await };
        self.ask(call, |answer| Exchange::Complete(request, answer)).await
    }

    /// Opens a stream of events; nothing when that fails or takes too long.
    pub(crate) async fn stream(&self, request: StreamEventsRequest) -> Option<Streaming<Event>> {
        let mut service = self.agents();
        let opened = timeout(PATIENCE, service.stream_events(request)).await;
        Some(opened.ok()?.ok()?.into_inner())
    }

    async fn ask<T: Clone>(
        &self,
        call: impl Future<Output = Result<Response<T>, Status>>,
        exchange: impl FnOnce(Answer<T>) -> Exchange,
    ) -> Answer<T> {
        let called = self.recorder.start.elapsed();
        let answer = match timeout(PATIENCE, call).await {
            Ok(Ok(response)) => Answer::Given(response.into_inner()),
            Ok(Err(status)) => match CallFailure::of(&status).reason() {
                Some(reason) => Answer::Refused(reason.as_str().to_owned()),
                None => Answer::Unknown,
            },
            Err(_) => Answer::Unknown,
        };
        self.recorder.record(Call {
            client: self.name.clone(),
            called,
            returned: self.recorder.start.elapsed(),
            exchange: exchange(answer.clone()),
        });
        answer
    }
}
