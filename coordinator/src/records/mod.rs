//! The records: what each event changes in the store, and how a start loads them.
//!
//! A file here is about one kind of record: its keys, what changes it, and how it is loaded. `stored/` has its bytes.
//!
//! ```text
//! live/<number>               a task that has to be in memory: it has not ended, or is skipped
//! done/<number>               any other ended task
//! id/<task id>                the number of a task
//! age/<second><set>           a set of numbers: those of the tasks that ended then
//! jobtask/<job id>\0<set>     a set of numbers: tasks of the job under done/
//! output/<number><attempt>    what an attempt printed
//! job/<number>                a job
//! agent/<id>                  an agent
//! hold/<scope>                a hold
//! limit/<queue>               the limit of a queue
//! meta/<name>                 a fact about all of them
//! ```

pub(crate) mod task;

pub(crate) mod output;

pub(crate) mod job;

pub(crate) mod agent;

mod hold;
mod limit;

pub(crate) mod meta;

mod load;

use std::sync::Arc;

use swarm_engine::{
    draft::Change,
    event::Event,
    id::Seq,
    noun::{agent::Agent, counts::Counts, job::Job, task::Task},
    state::{Records, State},
    touches::Touches,
};

use crate::store::{Batch, Layout, Store, StoreError};

/// What the store's checks have to know about the keys.
pub(crate) const LAYOUT: Layout = Layout {
    start: &[task::key::LIVE, job::KIND, agent::KIND, hold::KIND, limit::KIND],
    ids: task::key::ID,
    sampled: &[
        task::key::DONE,
        task::key::ID,
        task::key::AGE,
        task::key::JOB_TASK,
        output::KIND,
    ],
    numbered: &[task::key::DONE, output::KIND],
};

/// A durable event, and the records it touched as they are right after it.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) event: Arc<Event>,
    pub(crate) task: Option<Arc<Task>>,
    pub(crate) job: Option<Arc<Job>>,
    pub(crate) agent: Option<Arc<Agent>>,
    /// How many kept tasks have ended right after it, by final state.
    pub(crate) ended: Counts,
}

impl From<Change> for Entry {
    fn from(change: Change) -> Entry {
        let Change {
            event,
            task,
            job,
            agent,
            ended,
        } = change;
        Entry {
            event: Arc::new(event),
            task,
            job,
            agent,
            ended,
        }
    }
}

/// Adds what an event changes in the store.
///
/// # Errors
///
/// When the store cannot be read.
pub(crate) fn write(store: &Store, batch: &mut Batch, entry: &Entry) -> Result<(), StoreError> {
    // By all fields: what a fact changes and nobody writes does not compile.
    let Touches {
        identity,
        task,
        attempt,
        output,
        job,
        agent,
        hold,
        limit,
    } = entry.event.fact.touches();
    if identity {
        meta::write_identity(batch, &entry.event);
    }
    if let Some(task) = task {
        task::write(batch, &task, entry.task.as_deref());
        output::remove(store, batch, &task, entry.task.as_deref())?;
        // An attempt is a part of its task's record, but for what it printed.
        if let (Some(attempt), Some(output)) = (attempt, output) {
            output::write(batch, task.number, attempt.number, output);
        }
    }
    if let Some(job) = job {
        job::write(batch, job, entry.job.as_deref());
    }
    if let (Some(_), Some(agent)) = (agent, &entry.agent) {
        agent::write(batch, agent);
    }
    if let Some(hold) = hold {
        hold::write(batch, hold);
    }
    if let Some(limit) = limit {
        limit::write(batch, &limit);
    }
    Ok(())
}

/// The state as of the store's last event.
///
/// # Errors
///
/// A sentence when the store is damaged, or of another layout.
pub(crate) fn load(store: &Store) -> Result<State, String> {
    meta::check_format(store)?;
    Ok(State::load(Records {
        identity: meta::load_identity(store)?,
        seq: Seq(store.applied_seq()),
        time: meta::load_time(store)?,
        ended: meta::load_ended(store)?,
        jobs: job::load(store)?,
        agents: agent::load(store)?,
        holds: hold::load(store)?,
        limits: limit::load(store)?,
        tasks: task::load(store)?,
    }))
}
