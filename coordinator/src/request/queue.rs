//! Queues, and how many of their tasks may run at once.

use swarm_engine::{
    command::limit::{self, Limit},
    id::QueueName,
    noun::hold::Scope,
    rejection::{Faults, Rejection},
    state::State,
};
use swarm_proto::{limits::MAX_NAME_BYTES, v1};

use super::{Context, Refusal, page};
use crate::wire::{
    field::{Fields, unless_faulty},
    hold::queue_message,
};

/// Lists queues by their names.
///
/// # Errors
///
/// None today.
pub(crate) async fn list(
    cx: &Context,
    request: v1::ListQueuesRequest,
) -> Result<v1::ListQueuesResponse, Refusal> {
    let size = page::size(request.page_size);
    let answer = cx
        .core
        .read(|state| {
            let names = state.queues_after(&request.page_token).take(size + 1);
            names.map(|name| seen(state, &name)).collect::<Vec<v1::Queue>>()
        })
        .await;
    let as_of = cx.as_of(&answer);
    let mut queues = answer.value;
    let more = queues.len() > size;
    queues.truncate(size);
    let next = queues.last().filter(|_| more).map(|last| last.name.clone());
    let (queues, next_page_token) = page::fit(queues, next, |queue: &v1::Queue| queue.name.clone());
    Ok(v1::ListQueuesResponse {
        as_of,
        queues,
        next_page_token,
    })
}

/// Sets how many tasks of a queue may run at once, or lifts that limit.
///
/// # Errors
///
/// When a field is faulty.
pub(crate) async fn limit(
    cx: &Context,
    request: v1::LimitQueueRequest,
) -> Result<v1::LimitQueueResponse, Refusal> {
    let command = read(request)?;
    let queue = command.queue.clone();
    let answer = cx
        .core
        .execute(|draft| {
            limit::decide(draft, command)?;
            Ok(seen(draft, &queue))
        })
        .await?;
    Ok(v1::LimitQueueResponse {
        as_of: cx.as_of(&answer),
        queue: Some(answer.value),
    })
}

fn read(request: v1::LimitQueueRequest) -> Result<Limit, Rejection> {
    let mut faults = Faults::default();
    let mut fields = Fields::of_request(&mut faults);
    let queue = fields.name("queue", &request.queue, QueueName::parse);
    if request.max_running == Some(0) {
        fields.refuse("max_running", "must be at least 1: pause the queue to run none");
    }
    fields.text("actor", &request.actor, MAX_NAME_BYTES);
    Ok(Limit {
        queue: unless_faulty(queue, faults)?,
        max_running: request.max_running,
        actor: request.actor.into(),
    })
}

fn seen(state: &State, name: &QueueName) -> v1::Queue {
    queue_message(
        name,
        state.queue_limit(name).map(|limit| limit.max_running),
        state.hold(&Scope::Queue(name.clone())).map(AsRef::as_ref),
        &state.queue_counts(name),
    )
}
