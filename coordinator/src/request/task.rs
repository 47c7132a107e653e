//! One task, with what its last reported attempt printed.

use swarm_engine::rejection::Rejection;
use swarm_proto::v1;

use super::{Context, Refusal, names::name_cut_inputs};
use crate::{
    wire::{field, task::task_message},
    words::silence,
};

/// Shows a task.
///
/// # Errors
///
/// When there is none with this id.
pub(crate) async fn get(cx: &Context, request: v1::GetTaskRequest) -> Result<v1::GetTaskResponse, Refusal> {
    let id = field::task_id("task_id", &request.task_id)?;
    let answer = cx.core.find(std::slice::from_ref(&id)).await?;
    let as_of = cx.as_of(&answer);
    let task = answer.value.into_values().next();
    let task = task.ok_or(Rejection::TaskNotFound(id))?;
    let output = cx.output_of(&task).await?;
    let output = output
        .as_ref()
        .map(|(attempt, output)| (*attempt, output.as_ref()));
    let mut message = task_message(&task, output);
    if let Some(running) = message.attempts.last_mut().filter(|_| task.lease().is_some()) {
        let liveness = cx.liveness();
        let silence = cx.core.read(|state| state.silence_around(&task, liveness)).await;
        running.message = silence.value.map(silence::in_words).unwrap_or_default();
    }
    let mut task = [message];
    name_cut_inputs(&cx.core, &mut task).await;
    Ok(v1::GetTaskResponse {
        as_of,
        task: task.into_iter().next(),
    })
}
