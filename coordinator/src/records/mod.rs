//! The records in the store: how events change them, and how a start loads them.
//!
//! Each file is about one kind of record: its keys, its changes and its loading. `stored/` has its bytes.
//!
//! ```text
//! live/<number>               a task that has to be in memory: it has not ended, or is skipped
//! done/<number>               any other ended task
//! id/<task id>                the number of a task
//! age/<second><set>           a set of numbers: of tasks that ended in that second
//! jobtask/<job id>\0<set>     a set of numbers: of the job's tasks under done/
//! output/<number><attempt>    what an attempt printed
//! job/<number>                a job
//! agent/<id>                  an agent
//! hold/<scope>                a hold
//! limit/<queue>               the limit of a queue
//! meta/<name>                 a fact about all records
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

/// The kinds that the store's checks know.
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

/// A durable event, and the records that it touched as they are right after it.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) event: Arc<Event>,
    pub(crate) task: Option<Arc<Task>>,
    pub(crate) job: Option<Arc<Job>>,
    pub(crate) agent: Option<Arc<Agent>>,
    /// How many kept tasks have ended, by final state, right after it.
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

/// Adds the changes of an event to a batch.
///
/// # Errors
///
/// When the store cannot be read.
pub(crate) fn write(store: &Store, batch: &mut Batch, entry: &Entry) -> Result<(), StoreError> {
    // All fields are named, so that a new kind of record does not compile until it is written here.
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
        // An attempt is a part of its task's record, and its output is a record of its own.
        if let (Some(attempt), Some(output)) = (attempt, output) {
            output::write(batch, task.number, attempt.number, output);
        }
    }
    if let Some(job) = job {
        job::write(batch, job, entry.job.as_deref());
    }
    if let Some(agent) = agent {
        agent::write(batch, agent, entry.agent.as_deref());
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
