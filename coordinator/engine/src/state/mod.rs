//! The state: records of tasks, jobs and agents, what follows from them, and soft facts.
//!
//! Only `apply`, `renew`, `seen`, `grace`, `forget`, `recall` and loading change it.

pub(crate) mod derived;
pub mod ready;
pub mod soft;

mod apply;
mod evict;
mod index;

pub mod direction;

mod check;

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
    sync::Arc,
};

use crate::{
    id::{AgentId, JobId, Number, QueueName, Seq, TaskId},
    noun::{
        agent::Agent,
        counts::Counts,
        hold::{Hold, Scope},
        job::Job,
        needs::Needs,
        queue::QueueLimit,
        task::Task,
    },
    state::{derived::Derived, ready::Ready, soft::Soft},
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

    /// The hold of a scope, if there is one.
    pub fn hold(&self, scope: &Scope) -> Option<&Arc<Hold>> {
        self.holds.get(scope)
    }

    /// Every hold, that on everything first.
    pub fn holds(&self) -> impl Iterator<Item = &Arc<Hold>> {
        self.holds.values()
    }

    /// How many tasks of a queue may run at a time; `None` when there is no limit.
    pub fn queue_limit(&self, queue: &QueueName) -> Option<&Arc<QueueLimit>> {
        self.limits.get(queue)
    }

    /// How many tasks of a queue have not ended, by state.
    pub fn queue_counts(&self, queue: &QueueName) -> Counts {
        self.derived.queues.get(queue).copied().unwrap_or_default()
    }

    /// The queues with tasks that have not ended, in order, and how many are in each state.
    pub fn queues(&self) -> impl Iterator<Item = (&QueueName, &Counts)> {
        self.derived.queues.iter()
    }

    /// The queues with tasks that have not ended, with a limit or a hold, after this name and in order.
    pub fn queues_after(&self, name: &str) -> impl Iterator<Item = QueueName> {
        let held = self.holds().filter_map(|hold| match &hold.scope {
            Scope::Queue(queue) => Some(queue),
            Scope::Everything | Scope::Agent(_) => None,
        });
        let all: BTreeSet<&QueueName> = self
            .derived
            .queues
            .keys()
            .chain(self.limits.keys())
            .chain(held)
            .filter(|queue| queue.as_str() > name)
            .collect();
        all.into_iter().cloned()
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
}
