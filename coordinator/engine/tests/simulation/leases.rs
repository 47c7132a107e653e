//! The expiry of each lease, counted beside the engine: neither earlier nor later than promised.

use std::{collections::BTreeMap, sync::Arc};

use swarm_engine::{
    event::{Event, Fact},
    id::{AgentId, Number},
    noun::{
        lease::{Lease, Proof},
        outcome::Loss,
        task::Task,
    },
    state::State,
    time::Timestamp,
};

use super::tasks::TTL;

/// See the module.
#[derive(Default)]
pub(crate) struct Leases(BTreeMap<Number, (Lease, Timestamp)>);

impl Leases {
    /// Notes a start: every lease lasts one TTL from now on, even one that is overdue because a clock was set forward.
    pub(crate) fn restarted(state: &State, now: Timestamp) -> Leases {
        let mut leases = Leases::default();
        for task in state.tasks_after(Number(0)) {
            leases.begin(task, now);
        }
        for (_, until) in leases.0.values_mut() {
            *until = now + TTL;
        }
        leases
    }

    fn begin(&mut self, task: &Arc<Task>, now: Timestamp) {
        if let Some(lease) = task.lease() {
            let until = (now + TTL).min(lease.ends_by);
            self.0.insert(task.number, (lease.clone(), until));
        }
    }

    /// Notes a decided event; `task` is the record afterwards.
    pub(crate) fn note(&mut self, event: &Event, task: Option<&Arc<Task>>) {
        let now = event.time;
        match &event.fact {
            Fact::LeaseGranted { .. } | Fact::LeaseResumed { .. } => {
                self.begin(task.expect("a leased task is there"), now);
            }
            Fact::LeaseExpired {
                task, cause, agent, ..
            } => {
                let (lease, until) = self.0.remove(&task.number).expect("what expires was leased");
                assert_eq!(lease.agent, *agent, "{} is lost by another agent", task.id);
                if matches!(cause, Loss::Silent | Loss::Undelivered | Loss::Overdue) {
                    assert!(
                        now >= until,
                        "the lease of {} lasts until {} and expires at {}",
                        task.id,
                        until.0,
                        now.0
                    );
                    assert_eq!(
                        *cause == Loss::Overdue,
                        now >= lease.ends_by,
                        "{} is overdue from {} on, and expires at {}",
                        task.id,
                        lease.ends_by.0,
                        now.0
                    );
                }
            }
            _ => {
                if let Some(task) = task.filter(|task| task.lease().is_none()) {
                    self.0.remove(&task.number);
                }
            }
        }
    }

    /// Notes that an agent named this lease: the lease goes on if it is the agent's own.
    pub(crate) fn renew(&mut self, state: &State, agent: &AgentId, proof: &Proof, now: Timestamp) {
        let number = state.task(&proof.task).map(|task| task.number);
        if let Some((lease, until)) = number.and_then(|number| self.0.get_mut(&number))
            && (&lease.agent, lease.attempt, Some(lease.token)) == (agent, proof.attempt, proof.token)
        {
            *until = (now + TTL).min(lease.ends_by).max(*until);
        }
    }

    /// Notes that the coordinator was asleep: every lease lasts one TTL from now on.
    pub(crate) fn grace(&mut self, now: Timestamp) {
        for (lease, until) in self.0.values_mut() {
            *until = (now + TTL).min(lease.ends_by).max(*until);
        }
    }

    /// Checks that the engine has the same times.
    pub(crate) fn check(&self, state: &State) {
        for (number, (lease, until)) in &self.0 {
            let expiry = state.expiry(*number);
            assert_eq!(
                expiry,
                Some(*until),
                "how long {} has task {}",
                lease.agent,
                number.0
            );
        }
    }
}
