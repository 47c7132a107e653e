//! Retry orders: the tasks to retry, in an order in which no retry is refused, so that an ended task runs again.

use std::{collections::BTreeSet, sync::Arc};

use crate::{
    id::TaskId,
    limits::{MAX_EXPLAINED, MAX_FOLLOWED, MAX_VISITED},
    noun::task::{Condition, End, Task},
};

/// The tasks to retry, dependencies first: the retry of a task is refused while a dependency is without success. A
/// skipped task returns with the task that caused the skip, so it is listed only when a listed task depends on it. Long
/// lists are cut; an empty list means too far to follow, succeeded, or a dependency that is gone.
pub(crate) fn retry_order(task: &Arc<Task>, kept: impl Fn(&TaskId) -> Option<Arc<Task>>) -> Vec<TaskId> {
    let Some(ended) = dependencies_first(task, kept) else {
        return Vec::new();
    };
    let mut depended_on = BTreeSet::new();
    let mut order = Vec::new();
    for task in ended.iter().rev() {
        let is_skipped = matches!(task.end(), Some(End::Skipped { .. }));
        if !is_skipped || depended_on.contains(&task.id) {
            depended_on.extend(task.unmet_dependencies().map(|each| each.task.clone()));
            order.push(task.id.clone());
        }
    }
    order.reverse();
    order.truncate(MAX_EXPLAINED);
    order
}

/// The ended task, and before it all dependencies that ended without success.
fn dependencies_first(
    task: &Arc<Task>,
    kept: impl Fn(&TaskId) -> Option<Arc<Task>>,
) -> Option<Vec<Arc<Task>>> {
    let mut order = Vec::new();
    let mut seen = BTreeSet::new();
    let mut followed = 0;
    let mut next = vec![(task.clone(), false)];
    while let Some((task, is_last_visit)) = next.pop() {
        if is_last_visit {
            order.push(task);
            continue;
        }
        if !has_no_success(&task) || !seen.insert(task.id.clone()) {
            continue;
        }
        if seen.len() > MAX_VISITED {
            return None;
        }
        next.push((task.clone(), true));
        for dependency in task.unmet_dependencies() {
            followed += 1;
            if followed > MAX_FOLLOWED {
                return None;
            }
            if seen.contains(&dependency.task) {
                continue;
            }
            let other = kept(&dependency.task)?;
            if dependency.condition == Condition::Succeeded {
                next.push((other, false));
            }
        }
    }
    Some(order)
}

fn has_no_success(task: &Task) -> bool {
    matches!(
        task.end(),
        Some(End::Failed { .. } | End::Cancelled | End::Skipped { .. })
    )
}
