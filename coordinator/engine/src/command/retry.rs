//! Somebody brings an ended task back.

use crate::{
    draft::Draft,
    id::{Number, Seq, TaskId},
    noun::task::{Condition, End, TaskState},
    rejection::Rejection,
    rule::dependency::{self, settle},
};

/// A task to bring back.
#[derive(Clone, Debug)]
pub struct Retry {
    /// The task.
    pub task: TaskId,
    /// The revision that the caller read; `None` to retry any revision.
    pub revision: Option<Seq>,
}

/// Opens a new round for each task by itself and answers with its state. Counts begin anew, attempt numbers go on, and
/// skipped dependents come back in steps.
pub fn decide(draft: &mut Draft<'_>, tasks: &[Retry]) -> Vec<Result<TaskState, Rejection>> {
    let results: Vec<Result<Number, Rejection>> = tasks.iter().map(|request| retry(draft, request)).collect();
    // Dependencies that ended while the task was in a final state are met only now.
    settle(draft);
    results
        .into_iter()
        .map(|result| result.map(|number| draft.tasks[&number].state()))
        .collect()
}

fn retry(draft: &mut Draft<'_>, request: &Retry) -> Result<Number, Rejection> {
    let Some(task) = draft.task(&request.task).cloned() else {
        return Err(Rejection::TaskNotFound(request.task.clone()));
    };
    if request.revision.is_some_and(|revision| revision != task.revision) {
        return Err(Rejection::RevisionMismatch {
            task: task.id.clone(),
            revision: task.revision,
        });
    }
    if task.end().is_none() {
        return Err(Rejection::TaskNotFinished {
            task: task.id.clone(),
            state: task.state(),
        });
    }
    let removed = task
        .unmet_dependencies()
        .find(|dependency| draft.task(&dependency.task).is_none());
    if let Some(dependency) = removed {
        return Err(Rejection::DependencyRemoved {
            task: task.id.clone(),
            dependency: dependency.task.clone(),
        });
    }
    let hopeless = task.unmet_dependencies().find(|dependency| {
        dependency.condition == Condition::Succeeded
            && draft
                .task(&dependency.task)
                .and_then(|other| other.end())
                .is_some_and(|end| !matches!(end, End::Succeeded))
    });
    if let Some(dependency) = hopeless {
        return Err(Rejection::DependencyFailed {
            task: task.id.clone(),
            dependency: dependency.task.clone(),
        });
    }
    draft
        .check_new_classes([&task.needs.class].into_iter())
        .map_err(Rejection::Full)?;
    dependency::retry(draft, &task, None);
    Ok(task.number)
}
