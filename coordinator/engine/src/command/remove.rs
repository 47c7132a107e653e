//! Somebody removes ended tasks before their time.

use std::{collections::BTreeMap, sync::Arc};

use super::prune::remove;
use crate::{
    draft::Draft,
    id::{Seq, TaskId},
    noun::task::{Task, TaskState},
    rejection::Rejection,
};

/// A task to remove.
#[derive(Clone, Debug)]
pub struct Remove {
    /// The task.
    pub task: TaskId,
    /// The revision that the caller read; `None` to remove any revision.
    pub revision: Option<Seq>,
}

/// Removes each task by itself, and answers with the state that it had. A task that others need goes once they are
/// gone, in whatever order they are named. A repeat finds no such task, or one of another revision.
pub fn decide(draft: &mut Draft<'_>, tasks: &[Remove]) -> Vec<Result<TaskState, Rejection>> {
    let mut results: Vec<Result<Arc<Task>, Rejection>> =
        tasks.iter().map(|request| one(draft, request)).collect();
    let mut needed: BTreeMap<&TaskId, Vec<usize>> = BTreeMap::new();
    for (index, result) in results.iter().enumerate() {
        if is_needed(result) {
            needed.entry(&tasks[index].task).or_default().push(index);
        }
    }
    // Each task is removed once, so this ends.
    let mut removed: Vec<Arc<Task>> = results.iter().flatten().cloned().collect();
    while let Some(task) = removed.pop() {
        let freed = task.dependencies.iter();
        for &index in freed.filter_map(|each| needed.get(&each.task)).flatten() {
            if is_needed(&results[index]) {
                results[index] = one(draft, &tasks[index]);
                removed.extend(results[index].iter().cloned());
            }
        }
    }
    results
        .into_iter()
        .map(|result| result.map(|task| task.state()))
        .collect()
}

fn is_needed(result: &Result<Arc<Task>, Rejection>) -> bool {
    matches!(result, Err(Rejection::TaskNeeded(_)))
}

/// Removes a task that has ended and that no other task needs.
fn one(draft: &mut Draft<'_>, request: &Remove) -> Result<Arc<Task>, Rejection> {
    let Some(task) = draft.task(&request.task).cloned() else {
        return Err(Rejection::TaskNotFound(request.task.clone()));
    };
    if request.revision.is_some_and(|revision| revision != task.revision) {
        return Err(Rejection::RevisionMismatch {
            task: task.id.clone(),
            revision: task.revision,
        });
    }
    let Some(was) = task.past_end() else {
        return Err(Rejection::TaskNotFinished {
            task: task.id.clone(),
            state: task.state(),
        });
    };
    if draft.is_needed(&task.id) {
        return Err(Rejection::TaskNeeded(task.id.clone()));
    }
    remove(draft, &task, was);
    Ok(task)
}
