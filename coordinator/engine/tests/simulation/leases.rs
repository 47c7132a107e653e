//! The expiry of each lease, counted beside the engine: neither earlier nor later than promised.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use swarm_engine::{
    event::{Event, Fact},
    id::{AgentId, AttemptNumber, Number},
    noun::{
        lease::{Held, Lease},
        outcome::Loss,
        task::Task,
    },
    state::State,
    time::Timestamp,
};

use super::tasks::TTL;

/// For each task, when its newest attempt was granted by the machine's time, and for how long it may run.
pub(crate) type Begun = BTreeMap<Number, (u64, Duration)>;

/// See the module.
#[derive(Default)]
pub(crate) struct Leases {
    /// Each lease, with the end of its attempt as it is by now, and its expiry.
    of: BTreeMap<Number, (Lease, Timestamp)>,
    /// The coordinator's start. An agent's first word on an older attempt puts off its end.
    started: Timestamp,
    put_off: BTreeMap<(Number, AttemptNumber), Timestamp>,
    begun: Begun,
}

impl Leases {
    /// Notes a start: every lease lasts one TTL from now on, even one that is overdue because a clock was set forward.
    pub(crate) fn restarted(state: &State, now: Timestamp, begun: Begun) -> Leases {
        let mut leases = Leases {
            started: now,
            begun,
            ..Leases::default()
        };
        for task in state.tasks_after(Number(0)) {
            leases.begin(task, now);
        }
        for (_, until) in leases.of.values_mut() {
            *until = now + TTL;
        }
        leases
    }

    /// What the next start has to know of the machine's time.
    pub(crate) fn begun(&self) -> Begun {
        self.begun.clone()
    }

    fn begin(&mut self, task: &Arc<Task>, now: Timestamp) {
        if let Some(lease) = task.lease() {
            let mut lease = lease.clone();
            let told = self.put_off.get(&(task.number, lease.attempt)).copied();
            lease.ends_by = lease.ends_by.max(told.unwrap_or_default());
            let until = (now + TTL).min(lease.ends_by);
            self.of.insert(task.number, (lease, until));
        }
    }

    /// Notes a decided event; `task` is the record afterwards.
    pub(crate) fn note(&mut self, event: &Event, task: Option<&Arc<Task>>, boot: u64) {
        let now = event.time;
        if let Fact::LeaseGranted { task, lease } = &event.fact {
            self.begun.insert(task.number, (boot, lease.time_limit()));
        }
        match &event.fact {
            Fact::LeaseGranted { .. } | Fact::LeaseResumed { .. } => {
                self.begin(task.expect("a leased task is there"), now);
            }
            Fact::LeaseExpired {
                task, cause, agent, ..
            } => {
                let (lease, until) = self.of.remove(&task.number).expect("what expires was leased");
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
                    // Whatever clocks said: no attempt is overdue whose agent told how long it ran, and was at it for
                    // less time than it had.
                    let (begun, limit) = self.begun[&task.number];
                    let worked = Duration::from_millis(boot - begun);
                    let is_told = lease.granted >= self.started
                        || self.put_off.contains_key(&(task.number, lease.attempt));
                    assert!(
                        *cause != Loss::Overdue || !is_told || worked >= limit,
                        "{} is overdue after {worked:?} of {limit:?}",
                        task.id
                    );
                }
            }
            _ => {
                if let Some(task) = task.filter(|task| task.lease().is_none()) {
                    self.of.remove(&task.number);
                }
            }
        }
    }

    /// Notes that an agent named this lease: the lease goes on if it is the agent's own.
    pub(crate) fn renew(&mut self, state: &State, agent: &AgentId, held: &Held, now: Timestamp) {
        let Held { proof, ran } = held;
        let Some(number) = state.task(&proof.task).map(|task| task.number) else {
            return;
        };
        if let Some((lease, until)) = self.of.get_mut(&number)
            && (&lease.agent, lease.attempt, Some(lease.token)) == (agent, proof.attempt, proof.token)
        {
            if let Some(ran) = ran
                && lease.granted < self.started
                && !self.put_off.contains_key(&(number, lease.attempt))
            {
                let end = now + (lease.ends_by - lease.granted).saturating_sub(*ran);
                self.put_off.insert((number, lease.attempt), end);
                lease.ends_by = lease.ends_by.max(end);
            }
            *until = (now + TTL).min(lease.ends_by).max(*until);
        }
    }

    /// Notes that the coordinator was asleep: every lease lasts one TTL from now on.
    pub(crate) fn grace(&mut self, now: Timestamp) {
        for (lease, until) in self.of.values_mut() {
            *until = (now + TTL).min(lease.ends_by).max(*until);
        }
    }

    /// Checks that the engine has the same times.
    pub(crate) fn check(&self, state: &State) {
        for (number, (lease, until)) in &self.of {
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
