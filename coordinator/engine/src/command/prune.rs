//! The coordinator removes tasks long after their end, and jobs with their last task.

use crate::{
    draft::Draft,
    event::{Fact, Subject},
    id::{JobId, Number},
    limits::PRUNE_STEP,
    noun::task::{PastEnd, Task},
    time::Timestamp,
};

/// Tasks to remove.
#[derive(Clone, Debug)]
pub struct Prune {
    /// The tasks.
    pub tasks: Vec<Number>,
    /// The latest end of a task to remove.
    pub ended_by: Timestamp,
}

/// Removes the tasks that ended long enough ago and that no other task needs. A dependent may want the output, and a
/// skipped dependent may come back. Answers the number of removed tasks, at most [`PRUNE_STEP`].
pub fn decide(draft: &mut Draft<'_>, request: &Prune) -> usize {
    let mut removed = 0;
    for number in &request.tasks {
        let Some(task) = draft.tasks.get(number).cloned() else {
            continue;
        };
        let old = task.past_end().filter(|end| end.at <= request.ended_by);
        let Some(was) = old.filter(|_| !draft.is_needed(&task.id)) else {
            continue;
        };
        if removed == PRUNE_STEP {
            break;
        }
        removed += 1;
        remove(draft, &task, was);
    }
    removed
}

/// Removes a task, and its job when it is the last one.
pub(super) fn remove(draft: &mut Draft<'_>, task: &Task, was: PastEnd) {
    draft.emit(Fact::TaskRemoved {
        task: Subject::of(task),
        was,
    });
    if let Some(job) = &task.job {
        remove_if_empty(draft, job);
    }
}

fn remove_if_empty(draft: &mut Draft<'_>, job: &JobId) {
    if let Some(number) = draft.job(job).map(|job| job.number)
        && draft.job_counts(job).total() == 0
    {
        draft.emit(Fact::JobRemoved {
            number,
            job: job.clone(),
        });
    }
}
