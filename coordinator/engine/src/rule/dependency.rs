//! Consequences of a task's end, or of its return, for its dependents.
//!
//! There can be many, so the state keeps them as a work list: each decision
//! settles some, and `expire` goes on with the rest.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    draft::Draft,
    event::{Fact, Subject},
    id::{Number, TaskId},
    limits::SETTLE_STEP,
    noun::{
        lazy_box::LazyBox,
        task::{End, Phase, Task, Times},
    },
};

/// Settles consequences, at most [`SETTLE_STEP`] of them.
pub fn settle(draft: &mut Draft<'_>) {
    for _ in 0..SETTLE_STEP {
        let Some(number) = draft.derived.unsettled.first().copied() else {
            return;
        };
        let task = draft.tasks[&number].clone();
        let next = |index: &BTreeMap<TaskId, BTreeSet<Number>>| {
            index.get(&task.id).and_then(|numbers| numbers.first().copied())
        };
        let returned = if matches!(task.end(), None | Some(End::Succeeded)) {
            next(&draft.derived.skipped)
        } else {
            None
        };
        if let Some(skipped) = returned {
            let skipped = draft.tasks[&skipped].clone();
            retry(draft, &skipped, Some(task.id.clone()));
        } else {
            let waiting = next(&draft.derived.dependents).expect("an unsettled task has consequences left");
            follow(draft, &task, waiting);
        }
    }
}

/// Settles the end of a task for one dependent that waits for it.
fn follow(draft: &mut Draft<'_>, ended: &Task, waiting: Number) {
    let dependent = draft.tasks[&waiting].clone();
    let end = ended.end().expect("dependents are settled when a task has ended");
    let met = dependent
        .unmet_dependencies()
        .find(|dependency| dependency.task == ended.id)
        .is_some_and(|dependency| dependency.condition.is_met_by(end));
    let subject = Subject::of(&dependent);
    draft.emit(if met {
        Fact::DependencyMet {
            task: subject,
            dependency: ended.id.clone(),
            unmet: dependent.unmet - 1,
            cut: ended.stdout_cut(),
        }
    } else {
        Fact::TaskSkipped {
            task: subject,
            because: ended.id.clone(),
        }
    });
}

/// Begins a new round of an ended task.
pub(crate) fn retry(draft: &mut Draft<'_>, task: &Task, because: Option<TaskId>) {
    let record = retried(draft, task).into();
    let was = task.past_end().expect("only an ended task is retried");
    draft.emit(Fact::TaskRetried { record, was, because });
}

/// The record of an ended task at the begin of a new round: fresh counts, the same attempts, and met dependencies stay
/// met. A start time that lies ahead stays. A deadline in the past goes, because it would fail the task at once.
fn retried(draft: &Draft<'_>, task: &Task) -> Task {
    let calendar = draft.calendar(draft.now());
    Task {
        revision: draft.seq().next(),
        round: task.round + 1,
        tries: LazyBox::default(),
        phase: Phase::Pending {
            due: task.times.not_before.filter(|time| *time > calendar),
        },
        times: LazyBox::from(Times {
            deadline: task.times.deadline.filter(|deadline| *deadline > calendar),
            ..*task.times
        }),
        ..task.clone()
    }
}
