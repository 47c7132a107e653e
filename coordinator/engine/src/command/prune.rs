//! Tasks that ended long ago are removed, and jobs with their last task.

use crate::{
    draft::Draft,
    event::{Fact, Subject},
    id::{JobId, Number},
    limits::PRUNE_STEP,
    time::Timestamp,
};

/// What to remove.
#[derive(Clone, Debug)]
pub struct Prune {
    /// The tasks.
    pub tasks: Vec<Number>,
    /// Only those that ended at this time or before.
    pub ended_by: Timestamp,
}

/// Removes those of the tasks that ended long enough ago and that nothing needs: a task that has not ended
/// may want a dependency's output, and a skipped one may come back with what it was skipped for. Answers how
/// many were removed; at most [`PRUNE_STEP`] are.
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
        draft.emit(Fact::TaskRemoved {
            task: Subject::of(&task),
            was,
        });
        if let Some(job) = &task.job {
            remove_if_empty(draft, job);
        }
    }
    removed
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
