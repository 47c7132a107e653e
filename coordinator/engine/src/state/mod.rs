//! The state: records of tasks, jobs and agents, indexes over them, and soft facts.
//!
//! Only `apply` and loading change records, save that `forget` and `recall` move ended tasks out of memory and back.
//! Decisions change soft facts through the draft.

pub(crate) mod derived;
pub mod ready;
pub mod soft;

mod apply;
mod classes;
mod evict;
mod index;
mod others;
pub(crate) mod pick;
pub(crate) mod scan;
mod waiting;
pub(crate) mod weight;

pub mod direction;

mod check;

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
    sync::Arc,
};

use crate::{
    id::{AgentId, JobId, Number, QueueName, Seq, TaskId},
    limits::MAX_LINES_VISITED,
    noun::{
        agent::Agent,
        counts::Counts,
        hold::{Hold, Scope},
        job::Job,
        needs::{Class, Needs},
        queue::QueueLimit,
        task::{Task, TaskState},
    },
    state::{derived::Derived, ready::Ready, soft::Soft},
    time::{Clocks, Timestamp},
};

/// The records of a state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Records {
    /// The identity of the coordinator; `None` before its first start.
    pub identity: Option<Identity>,
    /// The last event in the records.
    pub seq: Seq,
    /// The time of that event.
    pub time: Timestamp,
    /// The number of ended tasks by final state, in memory or not.
    pub ended: Counts,
    /// Every job.
    pub jobs: Vec<Arc<Job>>,
    /// Every agent.
    pub agents: Vec<Arc<Agent>>,
    /// Every hold.
    pub holds: Vec<Arc<Hold>>,
    /// Every limit of a queue.
    pub limits: Vec<Arc<QueueLimit>>,
    /// Every task that has not ended or is skipped, and any ended ones.
    pub tasks: Vec<Arc<Task>>,
}

/// The identity of the coordinator, as its journal says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Rises with each start.
    pub epoch: u64,
    /// Identifies these data for ever.
    pub cluster_id: Arc<str>,
    /// Identifies this sequence of events.
    pub history: Arc<str>,
    /// The time of the last start.
    pub started: Timestamp,
    /// The machine's clocks at that start; `None` when an older program started.
    pub clocks: Option<Clocks>,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct State {
    pub(crate) identity: Option<Identity>,
    pub(crate) seq: Seq,
    pub(crate) time: Timestamp,
    /// The number of ended tasks by final state, in memory or not.
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

/// The numbers after this one, which may be the largest: it comes from a page token.
fn past(after: Number) -> (Bound<Number>, Bound<Number>) {
    (Bound::Excluded(after), Bound::Unbounded)
}

impl State {
    /// Builds a state from records. Leases last one TTL from the time of the records on.
    pub fn load(records: Records) -> State {
        // By all fields, so that the compiler asks for a kind of record that is not loaded.
        let Records {
            identity,
            seq,
            time,
            ended,
            jobs,
            agents,
            holds,
            limits,
            tasks,
        } = records;
        let mut state = State {
            identity,
            seq,
            time,
            ended,
            ..State::default()
        };
        for job in jobs {
            state.put_job(job);
        }
        for agent in agents {
            state.put_agent(agent);
        }
        for hold in holds {
            state.put_hold(hold);
        }
        for limit in limits {
            state.put_limit(limit);
        }
        let mut shared = BTreeSet::new();
        for mut task in tasks {
            state.share_names(&mut task, &mut shared);
            state.numbers.insert(task.id.clone(), task.number);
            state.tasks.insert(task.number, task);
        }
        let all: Vec<Arc<Task>> = state.tasks.values().cloned().collect();
        for task in &all {
            state.index(task);
            if !task.is_finished() {
                state.note_unfinished(task);
            }
        }
        state
    }

    /// Lets a record share its names with other records: each was read from the store by itself.
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

    /// The records: loading them gives the same state, without soft facts.
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

    /// The identity of the coordinator; `None` before its first start.
    pub fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    /// The number of the last applied event.
    pub fn seq(&self) -> Seq {
        self.seq
    }

    /// The time of the last applied event.
    pub fn time(&self) -> Timestamp {
        self.time
    }

    /// The bytes of memory that all records take, about, with what their agents asked for last.
    pub fn bytes(&self) -> u64 {
        self.derived.bytes + self.soft.wants_bytes
    }

    /// The history of events; empty before the first start.
    pub fn history(&self) -> Arc<str> {
        self.identity()
            .map_or_else(Arc::default, |identity| identity.history.clone())
    }

    /// Whether the newest session of this agent goes on.
    pub fn is_open_session(&self, agent: &Agent) -> bool {
        !agent.gone && (agent.history.is_empty() || agent.history == self.history())
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

    /// The number of jobs.
    pub fn job_count(&self) -> usize {
        self.jobs.len()
    }

    /// The number of a job's tasks in each state, without removed ones.
    pub fn job_counts(&self, job: &JobId) -> Counts {
        let pending = self.derived.jobs.get(job).map(|tally| tally.counts);
        let ended = self.job(job).map(|job| job.ended);
        pending.unwrap_or_default().plus(&ended.unwrap_or_default())
    }

    /// The number of tasks in each state, without removed ones.
    pub fn counts(&self) -> Counts {
        self.derived.counts.plus(&self.ended)
    }

    /// The number of ended tasks by final state, without removed ones.
    pub fn ended(&self) -> Counts {
        self.ended
    }

    /// The queued tasks.
    pub fn ready(&self) -> &Ready {
        &self.derived.ready
    }

    /// The oldest queued task, whatever its class and priority. It is found if it is one of the first tasks, or of the
    /// first lines: more than these are not looked at.
    pub fn oldest_queued(&self) -> Option<&Arc<Task>> {
        let mut first = self.tasks.values().take(MAX_LINES_VISITED);
        let first = first.find(|task| task.state() == TaskState::Queued);
        first.or_else(|| self.task_numbered(self.ready().oldest()?))
    }

    /// The classes in which tasks may have become claimable since this was last asked: no waiting claim can be given a
    /// new task of any other class.
    pub fn take_opened(&mut self) -> BTreeSet<Class> {
        self.derived.ready.take_opened()
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

    /// Every hold; the hold on everything comes first.
    pub fn holds(&self) -> impl Iterator<Item = &Arc<Hold>> {
        self.holds.values()
    }

    /// The limit of a queue; `None` when it has none.
    pub fn queue_limit(&self, queue: &QueueName) -> Option<&Arc<QueueLimit>> {
        self.limits.get(queue)
    }

    /// The number of a queue's tasks that have not ended, by state.
    pub fn queue_counts(&self, queue: &QueueName) -> Counts {
        self.derived.queues.get(queue).copied().unwrap_or_default()
    }

    /// The queues with tasks that have not ended, in order, and the number of those tasks by state.
    pub fn queues(&self) -> impl Iterator<Item = (&QueueName, &Counts)> {
        self.derived.queues.iter()
    }

    /// The queues after this name, in order, that have a limit, a hold or tasks that have not ended.
    pub fn queues_after(&self, name: &str) -> impl Iterator<Item = QueueName> {
        let after = (Bound::Excluded(name), Bound::Unbounded);
        let working = self.derived.queues.range::<str, _>(after).map(|(queue, _)| queue);
        let limited = self.limits.range::<str, _>(after).map(|(queue, _)| queue);
        let after = Scope::Queue(QueueName::stored(name));
        let held = self.holds.range((Bound::Excluded(after), Bound::Unbounded));
        let held = held.map_while(|(scope, _)| match scope {
            Scope::Queue(queue) => Some(queue),
            Scope::Everything | Scope::Agent(_) => None,
        });
        // Each is in order, so a page visits as many entries as it shows.
        let mut each = [
            Box::new(working) as Box<dyn Iterator<Item = &QueueName>>,
            Box::new(limited),
            Box::new(held),
        ]
        .map(Iterator::peekable);
        std::iter::from_fn(move || {
            let next = each
                .iter_mut()
                .filter_map(|queues| queues.peek().copied())
                .min()?;
            for queues in &mut each {
                queues.next_if(|queue| *queue == next);
            }
            Some(next.clone())
        })
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

    /// The time of the next call of `expire`; now when consequences are left to settle.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        if !self.derived.unsettled.is_empty() {
            return Some(self.time);
        }
        let first = |times: &BTreeSet<(Timestamp, Number)>| times.first().map(|(time, _)| *time);
        [
            first(&self.soft.by_expiry),
            first(&self.derived.due),
            first(&self.derived.not_before).map(|time| self.of_calendar(time)),
            first(&self.derived.deadlines).map(|time| self.of_calendar(time)),
        ]
        .into_iter()
        .flatten()
        .chain(self.next_silence())
        .min()
    }
}
