//! The fake's events; agents are not served.

use swarm_proto::v1::{coordinator_service_server::CoordinatorService, *};
use tokio_stream::StreamExt as _;
use tonic::{Request, Response, Status, codegen::BoxStream};

use super::Service;

#[tonic::async_trait]
impl CoordinatorService for Service {
    async fn stream_events(
        &self,
        request: Request<StreamEventsRequest>,
    ) -> Result<Response<BoxStream<Event>>, Status> {
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
        if let Some(step) = world.after_stream.take() {
            step(&mut world);
        }
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
}
