//! The protocol's services: each method lets its request in, and hands it over.

#![deny(
    clippy::missing_trait_methods,
    reason = "a method that is not here would be answered with UNIMPLEMENTED"
)]

use swarm_proto::v1::{
    self, admin_service_server::AdminService, agent_service_server::AgentService,
    coordinator_service_server::CoordinatorService, queue_service_server::QueueService,
    task_service_server::TaskService,
};
use tokio_stream::StreamExt as _;
use tonic::{Request, Response, Status, codegen::BoxStream};

use super::status::status_of;
use crate::request::{
    Refusal, Requests, agent, cancel, claim, complete, death, events, events::Events, explain, give_up,
    heartbeat, hold, ids, job, list, queue, register, remove, retry, status, submit, task,
};

/// All services.
#[derive(Clone)]
pub(super) struct Services(pub(super) Requests);

type Answer<T> = Result<Response<T>, Status>;

/// Lets a request in and hands it to its function, by the table of requests.
macro_rules! hand {
    ($services:ident, $request:expr, $function:path) => {{
        // What comes with the request counts its memory until it is answered.
        let (_, _taken, request) = $request.into_parts();
        let answered = match $services.0.admit(&request) {
            Ok(cx) => $function(cx, request).await,
            Err(refusal) => Err(refusal),
        };
        answered.map(Response::new).map_err(status_of)
    }};
}

/// A request that may be answered much later: what it keeps meanwhile has bounds of its own, and it must not keep the
/// memory in which others are read.
fn uncounted<T>(request: Request<T>) -> Request<T> {
    Request::new(request.into_inner())
}

#[tonic::async_trait]
impl TaskService for Services {
    async fn submit_tasks(
        &self,
        request: Request<v1::SubmitTasksRequest>,
    ) -> Answer<v1::SubmitTasksResponse> {
        hand!(self, request, submit::submit)
    }

    async fn get_task(&self, request: Request<v1::GetTaskRequest>) -> Answer<v1::GetTaskResponse> {
        hand!(self, request, task::get)
    }

    async fn list_tasks(&self, request: Request<v1::ListTasksRequest>) -> Answer<v1::ListTasksResponse> {
        hand!(self, request, list::list)
    }

    async fn cancel_tasks(
        &self,
        request: Request<v1::CancelTasksRequest>,
    ) -> Answer<v1::CancelTasksResponse> {
        hand!(self, request, cancel::tasks)
    }

    async fn retry_tasks(&self, request: Request<v1::RetryTasksRequest>) -> Answer<v1::RetryTasksResponse> {
        hand!(self, request, retry::tasks)
    }

    async fn remove_tasks(
        &self,
        request: Request<v1::RemoveTasksRequest>,
    ) -> Answer<v1::RemoveTasksResponse> {
        hand!(self, request, remove::tasks)
    }

    async fn get_job(&self, request: Request<v1::GetJobRequest>) -> Answer<v1::GetJobResponse> {
        hand!(self, request, job::get)
    }

    async fn list_jobs(&self, request: Request<v1::ListJobsRequest>) -> Answer<v1::ListJobsResponse> {
        hand!(self, request, job::list)
    }

    async fn explain_task(
        &self,
        request: Request<v1::ExplainTaskRequest>,
    ) -> Answer<v1::ExplainTaskResponse> {
        hand!(self, request, explain::task)
    }

    async fn find_ids(&self, request: Request<v1::FindIdsRequest>) -> Answer<v1::FindIdsResponse> {
        hand!(self, request, ids::find)
    }
}

#[tonic::async_trait]
impl CoordinatorService for Services {
    async fn register_agent(
        &self,
        request: Request<v1::RegisterAgentRequest>,
    ) -> Answer<v1::RegisterAgentResponse> {
        hand!(self, request, register::register)
    }

    async fn deregister_agent(
        &self,
        request: Request<v1::DeregisterAgentRequest>,
    ) -> Answer<v1::DeregisterAgentResponse> {
        hand!(self, request, register::deregister)
    }

    async fn report_death(
        &self,
        request: Request<v1::ReportDeathRequest>,
    ) -> Answer<v1::ReportDeathResponse> {
        hand!(self, request, death::report)
    }

    async fn claim(&self, request: Request<v1::ClaimRequest>) -> Answer<v1::ClaimResponse> {
        hand!(self, uncounted(request), claim::claim)
    }

    async fn heartbeat(&self, request: Request<v1::HeartbeatRequest>) -> Answer<v1::HeartbeatResponse> {
        hand!(self, uncounted(request), heartbeat::heartbeat)
    }

    async fn complete(&self, request: Request<v1::CompleteRequest>) -> Answer<v1::CompleteResponse> {
        hand!(self, request, complete::complete)
    }

    async fn stream_events(&self, request: Request<v1::StreamEventsRequest>) -> Answer<BoxStream<v1::Event>> {
        let answered: Answer<Events> = hand!(self, request, events::stream);
        answered.map(|response| response.map(|events| -> BoxStream<v1::Event> { Box::pin(events.map(sent)) }))
    }
}

#[tonic::async_trait]
impl AgentService for Services {
    async fn list_agents(&self, request: Request<v1::ListAgentsRequest>) -> Answer<v1::ListAgentsResponse> {
        hand!(self, request, agent::list)
    }

    async fn get_agent(&self, request: Request<v1::GetAgentRequest>) -> Answer<v1::GetAgentResponse> {
        hand!(self, request, agent::get)
    }

    async fn drain_agent(&self, request: Request<v1::DrainAgentRequest>) -> Answer<v1::DrainAgentResponse> {
        hand!(self, request, hold::drain_agent)
    }

    async fn undrain_agent(
        &self,
        request: Request<v1::UndrainAgentRequest>,
    ) -> Answer<v1::UndrainAgentResponse> {
        hand!(self, request, hold::undrain_agent)
    }

    async fn release_lease(
        &self,
        request: Request<v1::ReleaseLeaseRequest>,
    ) -> Answer<v1::ReleaseLeaseResponse> {
        hand!(self, request, give_up::release_lease)
    }

    async fn forget_agent(
        &self,
        request: Request<v1::ForgetAgentRequest>,
    ) -> Answer<v1::ForgetAgentResponse> {
        hand!(self, request, give_up::forget_agent)
    }
}

#[tonic::async_trait]
impl QueueService for Services {
    async fn list_queues(&self, request: Request<v1::ListQueuesRequest>) -> Answer<v1::ListQueuesResponse> {
        hand!(self, request, queue::list)
    }

    async fn limit_queue(&self, request: Request<v1::LimitQueueRequest>) -> Answer<v1::LimitQueueResponse> {
        hand!(self, request, queue::limit)
    }
}

#[tonic::async_trait]
impl AdminService for Services {
    async fn pause(&self, request: Request<v1::PauseRequest>) -> Answer<v1::PauseResponse> {
        hand!(self, request, hold::pause)
    }

    async fn resume(&self, request: Request<v1::ResumeRequest>) -> Answer<v1::ResumeResponse> {
        hand!(self, request, hold::resume)
    }

    async fn stop_all(&self, request: Request<v1::StopAllRequest>) -> Answer<v1::StopAllResponse> {
        hand!(self, request, hold::stop_all)
    }

    async fn get_status(&self, request: Request<v1::GetStatusRequest>) -> Answer<v1::GetStatusResponse> {
        hand!(self, request, status::status)
    }

    async fn get_server_info(
        &self,
        request: Request<v1::GetServerInfoRequest>,
    ) -> Answer<v1::GetServerInfoResponse> {
        hand!(self, request, status::server_info)
    }
}

/// What a stream brings: an event, or why it ends.
type Event = Result<v1::Event, Refusal>;

fn sent(event: Event) -> Result<v1::Event, Status> {
    event.map_err(status_of)
}
