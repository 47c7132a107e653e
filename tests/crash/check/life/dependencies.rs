//! Dependencies: a task waits until each has ended as the task asks, and is skipped when one cannot any more.

use std::collections::BTreeSet;

use swarm_proto::v1::{DependencyCondition, TaskSpec, TaskState};

/// The dependencies of one task.
#[derive(Clone, Debug)]
pub(super) struct Dependencies<'a> {
    spec: &'a TaskSpec,
    met: BTreeSet<&'a str>,
}

impl<'a> Dependencies<'a> {
    pub(super) fn of(spec: &'a TaskSpec) -> Dependencies<'a> {
        let met = BTreeSet::new();
        Dependencies { spec, met }
    }

    /// A dependency that has ended already, as the task asks, is met from the beginning.
    pub(super) fn begin(&mut self, end_of: impl Fn(&str) -> Option<TaskState>) {
        for dependency in &self.spec.depends_on {
            if is_met(dependency.condition(), end_of(&dependency.task_id)) {
                self.met.insert(&dependency.task_id);
            }
        }
    }

    /// Counts a dependency as met; fails unless its end is one that the task asks for.
    pub(super) fn meet(&mut self, other: &'a str, end: Option<TaskState>) -> Result<(), String> {
        let mut wanted = self.spec.depends_on.iter();
        let dependency = wanted
            .find(|dependency| dependency.task_id == other)
            .ok_or_else(|| format!("it never waited for {other}"))?;
        self.met.insert(other);
        if is_met(dependency.condition(), end) {
            return Ok(());
        }
        Err(format!(
            "its dependency {other} counts as met, and its end is {end:?}"
        ))
    }

    /// The first task that it waits for.
    pub(super) fn first_unmet(&self) -> Option<&'a str> {
        let mut ids = self
            .spec
            .depends_on
            .iter()
            .map(|dependency| dependency.task_id.as_str());
        ids.find(|id| !self.met.contains(id))
    }
}

/// Fails unless the other task has ended, and not with success.
pub(super) fn may_skip(other: &str, end: Option<TaskState>) -> Result<(), String> {
    if end.is_none_or(|end| end == TaskState::Succeeded) {
        return Err(format!("it was skipped because of {other}, whose end is {end:?}"));
    }
    Ok(())
}

fn is_met(condition: DependencyCondition, end: Option<TaskState>) -> bool {
    match condition {
        DependencyCondition::Finished => end.is_some(),
        DependencyCondition::Succeeded | DependencyCondition::Unspecified => {
            end == Some(TaskState::Succeeded)
        }
    }
}
