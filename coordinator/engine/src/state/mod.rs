//! The state: records of tasks, jobs and agents, what follows from them, and soft facts.
//!
//! Only `apply`, `renew`, `seen`, `grace`, `forget`, `recall` and loading change it.

mod apply;
mod derived;
mod evict;

pub mod direction;
pub mod ready;

mod check;

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
    sync::Arc,
    time::Duration,
};

use crate::{
    id::{AgentId, JobId, Number, QueueName, Seq, TaskId},
    noun::{
        agent::Agent,
        counts::Counts,
        hold::{Hold, Scope},
        job::Job,
        needs::{Needs, Wants},
        queue::QueueLimit,
        task::Task,
    },
    rule::{shard::Owners, slow::Slow},
    state::{derived::Derived, ready::Ready},
    time::Timestamp,
};

/// Records that a state is built from.
#[derive(Clone, Debug, Default)]
pub struct Records {
    /// What the coordinator is; `None` before its first start.
    pub identity: Option<Identity>,
    /// The last event that they reflect.
    pub seq: Seq,
    /// The time of that event.
    pub time: Timestamp,
    /// How many kept tasks have ended, by final state: in memory or not.
    pub ended: Counts,
    /// Every job.
    pub jobs: Vec<Arc<Job>>,
    /// Every agent.
    pub agents: Vec<Arc<Agent>>,
    /// Every hold.
    pub holds: Vec<Arc<Hold>>,
    /// Every limit of a queue.
    pub limits: Vec<Arc<QueueLimit>>,
    /// Every task that has not ended or is skipped, and any others.
    pub tasks: Vec<Arc<Task>>,
}

/// The tasks of a job that are in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many of those that have not ended are in each state.
    pub counts: Counts,
    /// All of them.
    pub tasks: BTreeSet<Number>,
}

/// What the coordinator is, as its journal says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Rises with each start.
    pub epoch: u64,
    /// Identifies these data for ever.
    pub cluster_id: Arc<str>,
    /// Identifies this sequence of events.
    pub history: Arc<str>,
}

/// Facts that may be lost: never journaled, and no promise depends on them.
#[derive(Clone, Debug, Default)]
pub struct Soft {
    /// When each lease expires unless it is renewed; never after its durable end.
    expiries: BTreeMap<Number, Timestamp>,
    by_expiry: BTreeSet<(Timestamp, Number)>,
    /// Leases that were renewed at least once: their agent knows of them.
    renewed: BTreeSet<Number>,
    pub(crate) presences: BTreeMap<AgentId, Presence>,
    /// Who has which shard.
    pub(crate) owners: Owners,
    /// Agents whose machines failed the last attempts that they reported.
    pub(crate) slowed: BTreeMap<AgentId, Slow>,
}

/// What is known of an agent at this moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presence {
    /// When it was heard of last.
    pub seen: Timestamp,
    /// It finishes what it holds and claims nothing more.
    pub draining: bool,
    /// What it asked for with its newest claim; `None` before the first.
    pub wants: Option<Arc<Wants>>,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct State {
    pub(crate) identity: Option<Identity>,
    pub(crate) seq: Seq,
    pub(crate) time: Timestamp,
    /// How many kept tasks have ended, by final state: in memory or not.
    pub(crate) ended: Counts,
    pub(crate) tasks: BTreeMap<Number, Arc<Task>>,
    pub(crate) numbers: BTreeMap<TaskId, Number>,
    pub(crate) jobs: BTreeMap<Number, Arc<Job>>,
    pub(crate) job_numbers: BTreeMap<JobId, Number>,
    pub(crate) agents: BTreeMap<AgentId, Arc<Agent>>,
    pub(crate) holds: BTreeMap<Scope, Arc<Hold>>,
    pub(crate) limits: BTreeMap<QueueName, Arc<QueueLimit>>,
    pub(crate) derived: Derived,
    pub(crate) soft: Soft,
}

/// What comes after this number; the largest is a number like any other, for it comes from a page token.
fn past(after: Number) -> (Bound<Number>, Bound<Number>) {
    (Bound::Excluded(after), Bound::Unbounded)
}

impl State {
    /// Builds the state from records. Leases last one TTL from their time on.
    pub fn load(records: Records) -> State {
        let mut state = State {
            identity: records.identity,
            seq: records.seq,
            time: records.time,
            ended: records.ended,
            ..State::default()
        };
        for job in records.jobs {
            state.insert_job(job);
        }
        for agent in records.agents {
            state.agents.insert(agent.id.clone(), agent);
        }
        for hold in records.holds {
            state.holds.insert(hold.scope.clone(), hold);
        }
        for limit in records.limits {
            state.limits.insert(limit.queue.clone(), limit);
        }
        let mut shared = BTreeSet::new();
        for mut task in records.tasks {
            state.share_names(&mut task, &mut shared);
            state.numbers.insert(task.id.clone(), task.number);
            state.tasks.insert(task.number, task);
        }
        let all: Vec<Arc<Task>> = state.tasks.values().cloned().collect();
        for task in &all {
            state.index(task);
            if !task.is_finished() {
                state.hold_dependencies(task);
            }
        }
        state
    }

    /// Lets a record that was read by itself share its names with others, as those do that came together.
    fn share_names(&self, task: &mut Arc<Task>, shared: &mut BTreeSet<Arc<Needs>>) {
        let Some(record) = Arc::get_mut(task) else { return };
        match shared.get(&record.needs) {
            Some(needs) => record.needs = needs.clone(),
            None => {
                shared.insert(record.needs.clone());
            }
        }
        if let Some(job) = record.job.as_ref().and_then(|job| self.job(job)) {
            record.job = Some(job.id.clone());
        }
    }

    /// Its records: loading them gives the state again, without its soft facts.
    pub fn records(&self) -> Records {
        Records {
            identity: self.identity.clone(),
            seq: self.seq,
            time: self.time,
            ended: self.ended,
            jobs: self.jobs.values().cloned().collect(),
            agents: self.agents.values().cloned().collect(),
            holds: self.holds.values().cloned().collect(),
            limits: self.limits.values().cloned().collect(),
            tasks: self.tasks.values().cloned().collect(),
        }
    }

    pub(crate) fn insert_job(&mut self, job: Arc<Job>) {
        self.job_numbers.insert(job.id.clone(), job.number);
        self.jobs.insert(job.number, job);
    }

    /// What the coordinator is; `None` before its first start.
    pub fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    /// The last applied event.
    pub fn seq(&self) -> Seq {
        self.seq
    }

    /// The time of the last applied event.
    pub fn time(&self) -> Timestamp {
        self.time
    }

    /// The task with this id.
    pub fn task(&self, id: &TaskId) -> Option<&Arc<Task>> {
        self.tasks.get(self.numbers.get(id)?)
    }

    /// The task with this number.
    pub fn task_numbered(&self, number: Number) -> Option<&Arc<Task>> {
        self.tasks.get(&number)
    }

    /// Tasks in order, from the first one after `after`.
    pub fn tasks_after(&self, after: Number) -> impl Iterator<Item = &Arc<Task>> {
        self.tasks.range(past(after)).map(|(_, task)| task)
    }

    /// The tasks of a job in order, from the first one after `after`.
    pub fn job_tasks_after(&self, job: &JobId, after: Number) -> impl Iterator<Item = &Arc<Task>> {
        self.derived
            .jobs
            .get(job)
            .into_iter()
            .flat_map(move |tally| tally.tasks.range(past(after)))
            .filter_map(|number| self.tasks.get(number))
    }

    /// The job with this id.
    pub fn job(&self, id: &JobId) -> Option<&Arc<Job>> {
        self.jobs.get(self.job_numbers.get(id)?)
    }

    /// Jobs in order, from the first one after `after`.
    pub fn jobs_after(&self, after: Number) -> impl Iterator<Item = &Arc<Job>> {
        self.jobs.range(past(after)).map(|(_, job)| job)
    }

    /// How many jobs there are.
    pub fn job_count(&self) -> usize {
        self.jobs.len()
    }

    /// How many kept tasks of a job are in each state.
    pub fn job_counts(&self, job: &JobId) -> Counts {
        let pending = self.derived.jobs.get(job).map(|tally| tally.counts);
        let ended = self.job(job).map(|job| job.ended);
        pending.unwrap_or_default().plus(&ended.unwrap_or_default())
    }

    /// How many kept tasks are in each state.
    pub fn counts(&self) -> Counts {
        self.derived.counts.plus(&self.ended)
    }

    /// How many kept tasks have ended, by final state.
    pub fn ended(&self) -> Counts {
        self.ended
    }

    /// Queued tasks.
    pub fn ready(&self) -> &Ready {
        &self.derived.ready
    }

    /// The agent with this id.
    pub fn agent(&self, id: &AgentId) -> Option<&Arc<Agent>> {
        self.agents.get(id)
    }

    /// Agents in the order of their ids.
    pub fn agents(&self) -> impl Iterator<Item = &Arc<Agent>> {
        self.agents.values()
    }

    /// Agents in the order of their ids, from the first one after this id.
    pub fn agents_after(&self, id: &str) -> impl Iterator<Item = &Arc<Agent>> {
        self.agents
            .range::<str, _>((Bound::Excluded(id), Bound::Unbounded))
            .map(|(_, agent)| agent)
    }

    /// The running tasks of an agent.
    pub fn leased_to(&self, agent: &AgentId) -> impl Iterator<Item = &Arc<Task>> {
        self.derived
            .leases
            .get(agent)
            .into_iter()
            .flatten()
            .filter_map(|number| self.tasks.get(number))
    }

    /// What is known of an agent at this moment; `None` when it was not heard of since the start.
    pub fn presence(&self, agent: &AgentId) -> Option<Presence> {
        self.soft.presences.get(agent).cloned()
    }

    /// When the lease of a running task expires unless it is renewed.
    pub fn expiry(&self, number: Number) -> Option<Timestamp> {
        self.soft.expiries.get(&number).copied()
    }

    /// Whether the lease of a running task was renewed since it was granted or loaded.
    pub fn is_renewed(&self, number: Number) -> bool {
        self.soft.renewed.contains(&number)
    }

    /// When `expire` wants to be called next; at once when consequences are left to settle.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        if !self.derived.unsettled.is_empty() {
            return Some(self.time);
        }
        let first = |times: &BTreeSet<(Timestamp, Number)>| times.first().map(|(time, _)| *time);
        [
            first(&self.soft.by_expiry),
            first(&self.derived.due),
            first(&self.derived.deadlines),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Leases that have expired by `now`, earliest first.
    pub(crate) fn expired(&self, now: Timestamp) -> impl Iterator<Item = Number> {
        let through = (now, Number(u64::MAX));
        self.soft.by_expiry.range(..=through).map(|(_, number)| *number)
    }

    /// Gives every lease at least one full TTL from `now` on, within its durable end: after a pause of the
    /// coordinator silence says nothing about the agents.
    pub fn grace(&mut self, now: Timestamp, ttl: Duration) {
        let running: Vec<Number> = self.soft.expiries.keys().copied().collect();
        for number in running {
            self.extend(number, now, ttl);
        }
    }

    /// The same after a start, and beyond durable ends: a clock that was set meanwhile may say that they have passed,
    /// and whoever was promised a TTL before still trusts in it.
    pub fn grace_at_start(&mut self, now: Timestamp, ttl: Duration) {
        let running: Vec<Number> = self.soft.expiries.keys().copied().collect();
        for number in running {
            if let Some(lease) = self.tasks.get(&number).and_then(|task| task.lease()) {
                let until = now + ttl.max(lease.ttl);
                self.lengthen(number, until);
            }
        }
    }

    /// For how long from a renewal on an agent may trust all that it holds: what its leases were granted with, and
    /// `ttl` at most, which may have been set since.
    pub fn trust_of(&self, agent: &AgentId, ttl: Duration) -> Duration {
        let leases = self.leased_to(agent).filter_map(|task| task.lease());
        leases.map(|lease| lease.ttl).fold(ttl, Duration::min)
    }

    /// Renews the lease of a running task: its agent was heard of. False when its durable end is too near for
    /// that: the agent must not be told to go on.
    pub(crate) fn renew(&mut self, number: Number, now: Timestamp, ttl: Duration) -> bool {
        self.soft.renewed.insert(number);
        self.extend(number, now, ttl)
    }

    pub(crate) fn extend(&mut self, number: Number, now: Timestamp, ttl: Duration) -> bool {
        let Some(lease) = self.tasks.get(&number).and_then(|task| task.lease()) else {
            return false;
        };
        let is_renewable = lease.is_renewable(now);
        let until = (now + ttl.max(lease.ttl)).min(lease.ends_by);
        self.lengthen(number, until);
        is_renewable
    }

    /// A deadline moves earlier only by expiry or revocation.
    fn lengthen(&mut self, number: Number, until: Timestamp) {
        let until = self.expiry(number).map_or(until, |current| until.max(current));
        self.set_expiry(number, until);
    }

    pub(crate) fn set_expiry(&mut self, number: Number, at: Timestamp) {
        if let Some(before) = self.soft.expiries.insert(number, at) {
            self.soft.by_expiry.remove(&(before, number));
        }
        self.soft.by_expiry.insert((at, number));
    }

    pub(crate) fn clear_expiry(&mut self, number: Number) {
        if let Some(before) = self.soft.expiries.remove(&number) {
            self.soft.by_expiry.remove(&(before, number));
        }
        self.soft.renewed.remove(&number);
    }

    /// The agent was heard of.
    pub(crate) fn seen(&mut self, agent: &AgentId, now: Timestamp, draining: Option<bool>) {
        if let Some(presence) = self.soft.presences.get_mut(agent) {
            presence.seen = now;
            if presence.draining != draining.unwrap_or(presence.draining) {
                presence.draining = !presence.draining;
                self.soft.owners.outdate();
            }
        } else {
            let presence = Presence {
                seen: now,
                draining: draining.unwrap_or_default(),
                wants: None,
            };
            self.soft.presences.insert(agent.clone(), presence);
        }
    }

    /// The agent claims.
    pub(crate) fn wants(&mut self, agent: &AgentId, wants: &Wants) {
        if let Some(presence) = self.soft.presences.get_mut(agent)
            && presence.wants.as_deref() != Some(wants)
        {
            let before = presence.wants.as_ref().and_then(|before| before.shard);
            presence.wants = Some(Arc::new(wants.clone()));
            if before != wants.shard {
                self.soft.owners.outdate();
            }
        }
    }

    pub(crate) fn forget_presence(&mut self, agent: &AgentId) {
        self.soft.presences.remove(agent);
        self.soft.owners.outdate();
    }

    /// The running tasks for which an expiry is kept; for `check`.
    pub(crate) fn soft_leases(&self) -> BTreeSet<Number> {
        assert_eq!(
            self.soft.expiries.len(),
            self.soft.by_expiry.len(),
            "each lease has one expiry, kept in two orders"
        );
        self.soft.expiries.keys().copied().collect()
    }
}
