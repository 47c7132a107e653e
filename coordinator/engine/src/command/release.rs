//! Somebody releases the lease of a task, because its agent's machine is gone.

use crate::{
    command::expire::lose,
    draft::Draft,
    id::{AgentId, AttemptNumber, TaskId},
    noun::{
        attempt::Attempt,
        outcome::{Loss, Outcome},
        task::TaskState,
    },
    rejection::Rejection,
    rule::dependency::settle,
};

/// A lease to release.
#[derive(Clone, Debug)]
pub struct Release {
    /// The leased task.
    pub task: TaskId,
    /// The leased attempt; `None` for whichever runs. Naming it makes a repeat harmless.
    pub attempt: Option<AttemptNumber>,
    /// A random number for the backoffs.
    pub jitter: u64,
}

/// A released lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Released {
    /// Its attempt.
    pub attempt: AttemptNumber,
    /// The agent that held it.
    pub agent: AgentId,
    /// The state of the task now.
    pub state: TaskState,
}

/// Ends a lease at once, so that another agent can be given the task. This loss is not counted. The lease is not
/// resumed, whatever its agent says later. A repeat changes nothing.
///
/// # Errors
///
/// [`Rejection::TaskNotFound`], and [`Rejection::TaskNotRunning`] when nobody or another attempt has the lease.
pub fn decide(draft: &mut Draft<'_>, request: &Release) -> Result<Released, Rejection> {
    let Some(task) = draft.task(&request.task).cloned() else {
        return Err(Rejection::TaskNotFound(request.task.clone()));
    };
    let is_asked = |number: AttemptNumber| request.attempt.is_none_or(|asked| asked == number);
    if let Some(lease) = task.lease().filter(|lease| is_asked(lease.attempt)) {
        lose(draft, task.number, Loss::GivenUp, request.jitter);
        settle(draft);
        return Ok(Released {
            attempt: lease.attempt,
            agent: lease.agent.clone(),
            state: draft.tasks[&task.number].state(),
        });
    }
    let was_released = |attempt: &&Attempt| {
        request.attempt == Some(attempt.number) && attempt.outcome == Outcome::Lost(Loss::GivenUp)
    };
    match task.attempts.iter().find(was_released) {
        Some(attempt) => Ok(Released {
            attempt: attempt.number,
            agent: attempt.agent.clone(),
            state: task.state(),
        }),
        None => Err(Rejection::TaskNotRunning {
            task: task.id.clone(),
            state: task.state(),
            attempt: request.attempt,
        }),
    }
}
