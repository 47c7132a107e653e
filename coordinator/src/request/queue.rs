//! People's side: `QueueService`.

use swarm_engine::{command::limit, id::QueueName, noun::hold::Scope, state::State};
use swarm_proto::v1::{self, queue_service_server::QueueService};
use tonic::{Request, Response, Status};

use super::page;
use crate::admission::Load;
use crate::{
    door::grpc::{Service, status::status_of},
    wire::{
        hold::queue_message,
        hold::{self as convert},
    },
};

#[tonic::async_trait]
impl QueueService for Service {
    async fn list_queues(
        &self,
        request: Request<v1::ListQueuesRequest>,
    ) -> Result<Response<v1::ListQueuesResponse>, Status> {
        let request = request.into_inner();
        let size = page::size(request.page_size);
        let answer = self
            .core
            .read(|state| {
                let names = state.queues_after(&request.page_token).take(size + 1);
                names.map(|name| seen(state, &name)).collect::<Vec<v1::Queue>>()
            })
            .await;
        let as_of = self.as_of(&answer);
        let mut queues = answer.value;
        let more = queues.len() > size;
        queues.truncate(size);
        let next = queues.last().filter(|_| more).map(|last| last.name.clone());
        let (queues, next_page_token) = page::fit(queues, next, |queue: &v1::Queue| queue.name.clone());
        Ok(Response::new(v1::ListQueuesResponse {
            as_of,
            queues,
            next_page_token,
        }))
    }

    async fn limit_queue(
        &self,
        request: Request<v1::LimitQueueRequest>,
    ) -> Result<Response<v1::LimitQueueResponse>, Status> {
        self.admit(Load::Other)?;
        let command = convert::limit(request.into_inner()).map_err(|rejection| status_of(&rejection))?;
        let queue = command.queue.clone();
        let answer = self
            .core
            .execute(|draft| {
                limit::decide(draft, command)?;
                Ok(seen(draft, &queue))
            })
            .await
            .map_err(|rejection| status_of(&rejection))?;
        Ok(Response::new(v1::LimitQueueResponse {
            as_of: self.as_of(&answer),
            queue: Some(answer.value),
        }))
    }
}

fn seen(state: &State, name: &QueueName) -> v1::Queue {
    queue_message(
        name,
        state.queue_limit(name).map(|limit| limit.max_running),
        state.hold(&Scope::Queue(name.clone())).map(AsRef::as_ref),
        &state.queue_counts(name),
    )
}
