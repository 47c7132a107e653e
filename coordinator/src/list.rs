//! Pages of tasks in the order of their numbers, over memory and store.
//!
//! Memory is looked at first, under the lock, then the store: a task that is forgotten in between is found in
//! both and shown once. Only a retry goes the other way; then the page is read again.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use swarm_engine::{
    id::{JobId, Number, Seq},
    limits::MAX_VISITED,
    rejection::Rejection,
    task::{Task, TaskState},
};

use crate::{
    core::{Answer, Core, Inner},
    evict::Refused,
    limits::LIST_BYTES,
    records,
    store::Store,
};

/// How often a page is read again because tasks were retried meanwhile; after that it may miss one of those.
const MAX_READS: usize = 3;

/// What a list is to show.
#[derive(Clone, Debug)]
pub(crate) struct Listing {
    /// Tasks of this job; of all when `None`.
    pub(crate) job: Option<JobId>,
    /// Tasks in these states; in any when empty.
    pub(crate) states: Vec<TaskState>,
    /// Tasks of this queue; of any when empty.
    pub(crate) queue: String,
    /// Tasks behind this one.
    pub(crate) after: Number,
    /// So many at most.
    pub(crate) size: usize,
}

/// Part of a list.
#[derive(Debug)]
pub(crate) struct Page {
    /// The tasks.
    pub(crate) tasks: Vec<Arc<Task>>,
    /// The last one that was looked at, when there are more behind it.
    pub(crate) next: Option<Number>,
}

impl Listing {
    fn accepts(&self, task: &Task) -> bool {
        (self.states.is_empty() || self.states.contains(&task.state()))
            && (self.queue.is_empty() || task.queue().as_str() == self.queue)
    }

    /// Whether it can show anything that is not in memory.
    fn wants_finished(&self) -> bool {
        let finished = [TaskState::Succeeded, TaskState::Failed, TaskState::Cancelled];
        self.states.is_empty() || finished.iter().any(|state| self.states.contains(state))
    }
}

/// What one side has: every wanted task behind `after`, as far as it was looked at.
#[derive(Default)]
struct Side {
    tasks: Vec<Arc<Task>>,
    /// Those that were looked at and not wanted.
    others: BTreeSet<Number>,
    /// How far; `None` when to the end.
    through: Option<Number>,
}

impl Core {
    /// Reads a page. It may be short, even empty, and go on, for a bounded number of tasks is looked at.
    ///
    /// # Errors
    ///
    /// When there is no such job, or the store cannot be read.
    pub(crate) async fn list(&self, wanted: &Listing) -> Result<Answer<Page>, Refused> {
        let mut reads = 0;
        loop {
            reads += 1;
            let (memory, mut as_of, retries) = {
                let inner = self.lock();
                (
                    look_into_memory(&inner, wanted)?,
                    inner.state.seq(),
                    inner.retries,
                )
            };
            let store = if wanted.wants_finished() {
                let (store, wanted) = (self.store.clone(), wanted.clone());
                let reading = tokio::task::spawn_blocking(move || look_into_store(&store, &wanted));
                let stopping = |_| Refused::Unreadable("the coordinator is stopping".to_owned());
                reading.await.map_err(stopping)?.map_err(Refused::Unreadable)?
            } else {
                Side::default()
            };
            if self.lock().retries != retries && reads < MAX_READS {
                continue;
            }
            let page = merge(memory, store, wanted.size);
            as_of = page.tasks.iter().map(|task| task.revision).fold(as_of, Seq::max);
            self.until_durable(as_of).await;
            return Ok(Answer { value: page, as_of });
        }
    }
}

fn look_into_memory(inner: &Inner, wanted: &Listing) -> Result<Side, Rejection> {
    let state = &inner.state;
    let candidates: Box<dyn Iterator<Item = &Arc<Task>>> = match &wanted.job {
        Some(job) if state.job(job).is_none() => return Err(Rejection::JobNotFound(job.clone())),
        Some(job) => Box::new(state.job_tasks_after(job, wanted.after)),
        None => Box::new(state.tasks_after(wanted.after)),
    };
    let mut side = Side::default();
    // What was removed is in the store for a little longer.
    side.others
        .extend(inner.leaving.values().map(|(number, _)| *number));
    let mut last = wanted.after;
    for (visited, task) in candidates.enumerate() {
        if side.tasks.len() == wanted.size || visited == MAX_VISITED {
            side.through = Some(last);
            break;
        }
        last = task.number;
        if wanted.accepts(task) {
            side.tasks.push(task.clone());
        } else {
            side.others.insert(task.number);
        }
    }
    Ok(side)
}

fn look_into_store(store: &Store, wanted: &Listing) -> Result<Side, String> {
    let mut side = Side::default();
    let (mut last, mut bytes) = (wanted.after, 0);
    for (visited, found) in records::finished_after(store, wanted.job.as_ref(), wanted.after).enumerate() {
        if side.tasks.len() == wanted.size || visited == MAX_VISITED || bytes >= LIST_BYTES {
            side.through = Some(last);
            break;
        }
        let (task, size) = found?;
        last = task.number;
        bytes += size;
        if wanted.accepts(&task) {
            side.tasks.push(task);
        }
    }
    Ok(side)
}

/// Both sides in order, as far as both were looked at. What is in memory is newer than what is in the store.
fn merge(memory: Side, store: Side, size: usize) -> Page {
    let through = match (memory.through, store.through) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    };
    let newer = memory.others;
    let store = store
        .tasks
        .into_iter()
        .filter(|task| !newer.contains(&task.number));
    let both = store.chain(memory.tasks);
    let tasks: BTreeMap<Number, Arc<Task>> = both
        .filter(|task| through.is_none_or(|through| task.number <= through))
        .map(|task| (task.number, task))
        .collect();
    let more = tasks.len() > size;
    let tasks: Vec<Arc<Task>> = tasks.into_values().take(size).collect();
    let next = if more {
        tasks.last().map(|task| task.number)
    } else {
        through
    };
    Page { tasks, next }
}
