//! Somebody cancels a task.

use crate::{
    draft::Draft,
    event::{Fact, Subject},
    id::TaskId,
    noun::task::{Phase, TaskState},
    rejection::Rejection,
    rule::dependency::settle,
};

/// Cancels each task by itself and answers with its state. A running task is cancelled at the next report or expiry of
/// its attempt. A repeat changes nothing.
pub fn decide(draft: &mut Draft<'_>, tasks: &[TaskId]) -> Vec<Result<TaskState, Rejection>> {
    let results = tasks.iter().map(|task| cancel(draft, task)).collect();
    settle(draft);
    results
}

fn cancel(draft: &mut Draft<'_>, id: &TaskId) -> Result<TaskState, Rejection> {
    let Some(task) = draft.task(id).cloned() else {
        return Err(Rejection::TaskNotFound(id.clone()));
    };
    match &task.phase {
        Phase::Pending { .. } => {
            draft.emit(Fact::TaskCancelled {
                task: Subject::of(&task),
                attempt: None,
            });
        }
        Phase::Running(lease) if !lease.cancel_asked => draft.emit(Fact::CancelRequested {
            task: Subject::of(&task),
            attempt: lease.attempt,
            agent: lease.agent.clone(),
        }),
        Phase::Running(_) => {}
        Phase::Ended(_) if task.state() == TaskState::Cancelled => {}
        Phase::Ended(_) => {
            return Err(Rejection::TaskFinished {
                task: id.clone(),
                state: task.state(),
            });
        }
    }
    Ok(draft.tasks[&task.number].state())
}
