//! The promises, checked against what has happened.

use std::collections::{BTreeMap, BTreeSet};

use swarm_engine::{
    event::{Event, Fact},
    hold::Scope,
    id::{AttemptNumber, LeaseToken, TaskId},
    lease::Proof,
    task::Condition,
};

/// What the promises need of the past, kept without looking into the state.
#[derive(Default)]
pub(crate) struct History {
    needs: BTreeMap<TaskId, Vec<(TaskId, Condition)>>,
    /// The newest attempt of each task.
    granted: BTreeMap<TaskId, (AttemptNumber, LeaseToken)>,
    /// Attempts that failed; each counts once.
    failed: BTreeSet<(TaskId, AttemptNumber)>,
    /// Tasks that have ended in their present round.
    ended: BTreeSet<TaskId>,
    ever_succeeded: BTreeSet<TaskId>,
    ever_ended: BTreeSet<TaskId>,
    holds: BTreeSet<Scope>,
}

impl History {
    pub(crate) fn note(&mut self, event: &Event) {
        match &event.fact {
            Fact::TaskSubmitted(task) => {
                let needs = task
                    .dependencies
                    .iter()
                    .map(|each| (each.task.clone(), each.condition))
                    .collect();
                assert!(
                    self.needs.insert(task.id.clone(), needs).is_none(),
                    "{} is submitted twice",
                    task.id
                );
            }
            Fact::LeaseGranted { task, lease } => {
                assert!(
                    !self.ended.contains(&task.id),
                    "{} is granted after its end",
                    task.id
                );
                for (needed, condition) in &self.needs[&task.id] {
                    let enough = match condition {
                        Condition::Succeeded => &self.ever_succeeded,
                        Condition::Finished => &self.ever_ended,
                    };
                    assert!(enough.contains(needed), "{} runs before {needed}", task.id);
                }
                let held = [Scope::Everything, Scope::Agent(lease.agent.clone())];
                assert!(
                    !held.iter().any(|scope| self.holds.contains(scope)),
                    "{} is granted to {} in spite of a hold",
                    task.id,
                    lease.agent
                );
                let before = self.granted.insert(task.id.clone(), (lease.attempt, lease.token));
                assert!(
                    before.is_none_or(|(before, _)| before < lease.attempt),
                    "{}: attempts rise",
                    task.id
                );
            }
            Fact::HoldPlaced(hold) => {
                self.holds.insert(hold.scope.clone());
            }
            Fact::HoldLifted { hold, .. } => {
                assert!(
                    self.holds.remove(&hold.scope),
                    "the hold on {} is lifted twice",
                    hold.scope
                );
            }
            Fact::AttemptFailed { task, attempt, .. } => {
                assert!(
                    self.failed.insert((task.id.clone(), *attempt)),
                    "{} fails twice",
                    task.id
                );
            }
            Fact::TaskSucceeded { task, .. } => {
                self.ever_succeeded.insert(task.id.clone());
                self.end(&task.id);
            }
            Fact::TaskFailed { task, .. }
            | Fact::TaskCancelled { task, .. }
            | Fact::TaskSkipped { task, .. } => {
                self.end(&task.id);
            }
            Fact::TaskRetried { record, .. } => {
                assert!(
                    self.ended.remove(&record.id),
                    "{} is retried before its end",
                    record.id
                );
            }
            Fact::TaskRemoved { task, .. } => {
                assert!(
                    self.ended.remove(&task.id),
                    "{} is removed before its end",
                    task.id
                );
                // The id may begin another life.
                self.needs.remove(&task.id);
                self.granted.remove(&task.id);
                self.failed.retain(|(failed, _)| *failed != task.id);
            }
            Fact::CoordinatorStarted { .. }
            | Fact::JobSubmitted(_)
            | Fact::JobRemoved { .. }
            | Fact::DependencyMet { .. }
            | Fact::TaskDue { .. }
            | Fact::LeaseExpired { .. }
            | Fact::LeaseResumed { .. }
            | Fact::LeaseReleased { .. }
            | Fact::CancelRequested { .. }
            | Fact::QueueLimited { .. }
            | Fact::AgentRegistered(_)
            | Fact::AgentDeregistered { .. } => {}
        }
    }

    fn end(&mut self, task: &TaskId) {
        self.ever_ended.insert(task.clone());
        assert!(self.ended.insert(task.clone()), "{task} ends twice in a round");
    }

    /// A report was accepted: it must prove the last grant.
    pub(crate) fn accept(&self, proof: &Proof) {
        let (attempt, token) = self.granted[&proof.task];
        assert_eq!(
            proof.attempt, attempt,
            "an old attempt of {} was accepted",
            proof.task
        );
        assert!(
            proof.token == Some(token),
            "a report of {} was accepted without its token",
            proof.task
        );
    }
}
