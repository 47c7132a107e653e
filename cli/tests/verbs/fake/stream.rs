//! The fake's events; agents are not served.

use std::pin::Pin;

use swarm_proto::v1::{coordinator_service_server::CoordinatorService, *};
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Request, Response, Status};

use super::Service;

#[tonic::async_trait]
impl CoordinatorService for Service {
    type StreamEventsStream = Pin<Box<dyn Stream<Item = Result<Event, Status>> + Send>>;

    async fn stream_events(
        &self,
        request: Request<StreamEventsRequest>,
    ) -> Result<Response<Self::StreamEventsStream>, Status> {
        let request = request.into_inner();
        let mut world = self.world();
        world.streams.push(request.clone());
        if let Some(step) = world.steps.pop_front() {
            step(&mut world);
        }
        let is_unfiltered =
            request.task_ids.is_empty() && request.job_ids.is_empty() && request.agent_ids.is_empty();
        let fits = |event: &&Event| {
            event.seq >= request.from_seq.unwrap_or(u64::MAX)
                && (is_unfiltered
                    || request.task_ids.contains(&event.task_id)
                    || request.job_ids.contains(&event.job_id)
                    || request.agent_ids.contains(&event.agent_id))
                && (request.kinds.is_empty() || request.kinds.contains(&event.kind))
        };
        let limit = if request.limit == 0 {
            usize::MAX
        } else {
            request.limit as usize
        };
        let mut items: Vec<Result<Event, Status>> = world
            .events
            .iter()
            .filter(fits)
            .take(limit)
            .cloned()
            .map(Ok)
            .collect();
        if let Some(cut) = world.cuts.pop_front() {
            items.truncate(cut);
            items.push(Err(Status::unknown(
                "h2 protocol error: error reading a body from connection",
            )));
            return Ok(Response::new(Box::pin(tokio_stream::iter(items))));
        }
        let ended = !request.follow || items.len() == limit;
        let items = tokio_stream::iter(items);
        if ended {
            Ok(Response::new(Box::pin(items)))
        } else {
            Ok(Response::new(Box::pin(items.chain(tokio_stream::pending()))))
        }
    }

    async fn register_agent(
        &self,
        _request: Request<RegisterAgentRequest>,
    ) -> Result<Response<RegisterAgentResponse>, Status> {
        Err(Status::unimplemented("agents are not served"))
    }

    async fn deregister_agent(
        &self,
        _request: Request<DeregisterAgentRequest>,
    ) -> Result<Response<DeregisterAgentResponse>, Status> {
        Err(Status::unimplemented("agents are not served"))
    }

    async fn claim(&self, _request: Request<ClaimRequest>) -> Result<Response<ClaimResponse>, Status> {
        Err(Status::unimplemented("agents are not served"))
    }

    async fn heartbeat(
        &self,
        _request: Request<HeartbeatRequest>,
    ) -> Result<Response<HeartbeatResponse>, Status> {
        Err(Status::unimplemented("agents are not served"))
    }

    async fn complete(
        &self,
        _request: Request<CompleteRequest>,
    ) -> Result<Response<CompleteResponse>, Status> {
        Err(Status::unimplemented("agents are not served"))
    }
}
