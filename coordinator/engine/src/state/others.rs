//! Records that are not tasks: how they come, are replaced and go, each with its weight.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    id::{AgentId, JobId, Number, QueueName},
    noun::{
        agent::Agent,
        hold::{Hold, Scope},
        job::Job,
        queue::QueueLimit,
    },
    state::{State, weight::Weight},
};

impl State {
    pub(crate) fn put_job(&mut self, job: Arc<Job>) {
        self.job_numbers.insert(job.id.clone(), job.number);
        put(&mut self.derived.bytes, &mut self.jobs, job.number, job);
    }

    pub(crate) fn remove_job(&mut self, number: Number, job: &JobId) {
        self.job_numbers.remove(job);
        self.derived.jobs.remove(job);
        remove(&mut self.derived.bytes, &mut self.jobs, &number);
    }

    pub(crate) fn put_agent(&mut self, agent: Arc<Agent>) {
        put(&mut self.derived.bytes, &mut self.agents, agent.id.clone(), agent);
    }

    pub(crate) fn remove_agent(&mut self, agent: &AgentId) {
        remove(&mut self.derived.bytes, &mut self.agents, agent);
    }

    pub(crate) fn put_hold(&mut self, hold: Arc<Hold>) {
        put(&mut self.derived.bytes, &mut self.holds, hold.scope.clone(), hold);
    }

    pub(crate) fn remove_hold(&mut self, scope: &Scope) {
        remove(&mut self.derived.bytes, &mut self.holds, scope);
    }

    pub(crate) fn put_limit(&mut self, limit: Arc<QueueLimit>) {
        put(
            &mut self.derived.bytes,
            &mut self.limits,
            limit.queue.clone(),
            limit,
        );
    }

    pub(crate) fn remove_limit(&mut self, queue: &QueueName) {
        remove(&mut self.derived.bytes, &mut self.limits, queue);
    }
}

fn put<K: Ord, T: Weight>(bytes: &mut u64, records: &mut BTreeMap<K, Arc<T>>, key: K, record: Arc<T>) {
    *bytes += record.weight() as u64;
    if let Some(before) = records.insert(key, record) {
        *bytes -= before.weight() as u64;
    }
}

fn remove<K: Ord, T: Weight>(bytes: &mut u64, records: &mut BTreeMap<K, Arc<T>>, key: &K) {
    if let Some(before) = records.remove(key) {
        *bytes -= before.weight() as u64;
    }
}
