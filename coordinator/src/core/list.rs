//! Pages of tasks in the order of their numbers or against it, over memory and store.
//!
//! Memory is read first, under the lock, then the store: a task that is forgotten in between is found in both and
//! shown once. Only a retry takes a task the other way; then the page is read again. Reading a spec takes longer than
//! the lock is held for, so specs are read afterwards.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use swarm_engine::{
    id::{AgentId, JobId, Number, Seq},
    limits::MAX_VISITED,
    noun::task::{Task, TaskState},
    rejection::Rejection,
    state::{
        State,
        direction::{Direction, before_time},
    },
    time::Timestamp,
};

use super::{Answer, Core, lock::Inner, recall::Refused};
use crate::{program::limits::LIST_BYTES, records::task::find, store::Store};

/// How often a page is read because tasks were retried meanwhile; after that it may miss a retried task.
const MAX_READS: usize = 3;

/// A condition on a task's spec.
pub(crate) type SpecFilter = Arc<dyn Fn(&Task) -> bool + Send + Sync>;

/// The tasks that a list is to show.
#[derive(Clone)]
pub(crate) struct Listing {
    /// Tasks of this job; of all when `None`.
    pub(crate) job: Option<JobId>,
    /// Tasks in these states.
    pub(crate) states: Vec<TaskState>,
    /// Tasks of this queue; of any when empty.
    pub(crate) queue: String,
    /// Tasks whose newest attempt is or was with this agent.
    pub(crate) agent: Option<AgentId>,
    /// Only tasks with inputs that are cut.
    pub(crate) with_cut_inputs: bool,
    /// Tasks submitted at this time or later.
    pub(crate) from: Option<Timestamp>,
    /// Tasks submitted before this time.
    pub(crate) before: Option<Timestamp>,
    /// Tasks whose spec meets this condition.
    pub(crate) spec: Option<SpecFilter>,
    /// From which end the list begins.
    pub(crate) direction: Direction,
    /// Tasks behind this one.
    pub(crate) cursor: Number,
    /// How many tasks a page has at most.
    pub(crate) size: usize,
}

/// Part of a list.
#[derive(Debug)]
pub(crate) struct Page {
    /// The tasks.
    pub(crate) tasks: Vec<Arc<Task>>,
    /// The last task that was looked at, when there are more behind it.
    pub(crate) next: Option<Number>,
}

impl Listing {
    /// Whether the task is wanted, as far as can be said without its spec.
    fn accepts(&self, task: &Task) -> bool {
        self.states.contains(&task.state())
            && (self.queue.is_empty() || task.queue().as_str() == self.queue)
            && self
                .agent
                .as_ref()
                .is_none_or(|agent| newest_agent(task) == Some(agent))
            && (!self.with_cut_inputs || task.cut_inputs().next().is_some())
            && self.from.is_none_or(|from| task.created >= from)
            && self.before.is_none_or(|before| task.created < before)
    }

    fn accepts_spec(&self, task: &Task) -> bool {
        self.spec.as_ref().is_none_or(|meets| meets(task))
    }

    /// Whether no task behind this one was submitted in the wanted time.
    fn is_last(&self, task: &Task) -> bool {
        match self.direction {
            Direction::OldestFirst => self.before.is_some_and(|before| task.created >= before),
            Direction::NewestFirst => self.from.is_some_and(|from| task.created < from),
        }
    }

    /// Where a page begins: a first page passes over tasks that were submitted too early or too late.
    fn begin<E>(
        &self,
        next: impl FnMut(Number) -> Result<Option<(Number, Timestamp)>, E>,
    ) -> Result<Number, E> {
        if self.cursor != self.direction.start() {
            return Ok(self.cursor);
        }
        match (self.direction, self.from, self.before) {
            (Direction::OldestFirst, Some(from), _) => before_time(from, next),
            (Direction::NewestFirst, _, Some(before)) => {
                let last = before_time(before, next)?;
                Ok(Number(last.0.saturating_add(1)))
            }
            _ => Ok(self.cursor),
        }
    }

    /// Whether it can show a task that is not in memory.
    fn wants_finished(&self) -> bool {
        let finished = [TaskState::Succeeded, TaskState::Failed, TaskState::Cancelled];
        finished.iter().any(|state| self.states.contains(state))
    }
}

fn newest_agent(task: &Task) -> Option<&AgentId> {
    let ended = || task.attempts.last().map(|attempt| &attempt.agent);
    task.lease().map(|lease| &lease.agent).or_else(ended)
}

/// The part of memory or of the store: every wanted task behind the cursor, as far as it was read.
#[derive(Default)]
struct Side {
    tasks: Vec<Arc<Task>>,
    /// Tasks that were read and not wanted.
    others: BTreeSet<Number>,
    /// The last task that was read; `None` when all were.
    through: Option<Number>,
}

impl Core {
    /// Reads a page. It may be short, even empty, with more behind it: it reads a bounded number of tasks.
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
            let (store, wanted) = (self.store.clone(), wanted.clone());
            let reading = tokio::task::spawn_blocking(move || look_further(memory, &store, &wanted));
            let stopping = |_| Refused::Unreadable("the coordinator is stopping".to_owned());
            let page = reading.await.map_err(stopping)?.map_err(Refused::Unreadable)?;
            if self.lock().retries != retries && reads < MAX_READS {
                continue;
            }
            as_of = page.tasks.iter().map(|task| task.revision).fold(as_of, Seq::max);
            self.until_durable(as_of).await;
            return Ok(Answer { value: page, as_of });
        }
    }
}

fn look_into_memory(inner: &Inner, wanted: &Listing) -> Result<Side, Rejection> {
    let state = &inner.state;
    let begin = wanted.begin(|after| Ok::<_, Rejection>(next_in_memory(state, after)))?;
    let candidates = match &wanted.job {
        Some(job) if state.job(job).is_none() => return Err(Rejection::JobNotFound(job.clone())),
        Some(job) => state.job_tasks_behind(job, begin, wanted.direction),
        None => state.tasks_behind(begin, wanted.direction),
    };
    let mut side = Side::default();
    // A removed task is in the store for a little longer.
    side.others
        .extend(inner.leaving.values().map(|(number, _)| *number));
    // Some may turn out to be unwanted when their specs are read: more may be needed than the page takes.
    let most = if wanted.spec.is_some() {
        MAX_VISITED
    } else {
        wanted.size
    };
    let (mut last, mut bytes) = (begin, 0);
    for (visited, task) in candidates.enumerate() {
        if wanted.is_last(task) {
            break;
        }
        if side.tasks.len() == most || visited == MAX_VISITED || bytes >= LIST_BYTES {
            side.through = Some(last);
            break;
        }
        last = task.number;
        if wanted.accepts(task) {
            bytes += task.spec.len();
            side.tasks.push(task.clone());
        } else {
            side.others.insert(task.number);
        }
    }
    Ok(side)
}

fn next_in_memory(state: &State, after: Number) -> Option<(Number, Timestamp)> {
    let next = state.tasks_behind(after, Direction::OldestFirst).next();
    next.map(|task| (task.number, task.created))
}

/// Reads specs and store, which takes longer than the lock is held for.
fn look_further(mut memory: Side, store: &Store, wanted: &Listing) -> Result<Page, String> {
    let (tasks, others): (Vec<_>, Vec<_>) = memory
        .tasks
        .into_iter()
        .partition(|task| wanted.accepts_spec(task));
    memory.tasks = tasks;
    memory.others.extend(others.iter().map(|task| task.number));
    let store = if wanted.wants_finished() {
        look_into_store(store, wanted)?
    } else {
        Side::default()
    };
    Ok(merge(memory, store, wanted))
}

fn look_into_store(store: &Store, wanted: &Listing) -> Result<Side, String> {
    let mut side = Side::default();
    let begin = wanted.begin(|after| find::next_finished(store, after))?;
    let (mut last, mut bytes) = (begin, 0);
    let candidates = find::finished_behind(store, wanted.job.as_ref(), begin, wanted.direction);
    for (visited, found) in candidates.enumerate() {
        let (task, size) = found?;
        if wanted.is_last(&task) {
            break;
        }
        if side.tasks.len() == wanted.size || visited == MAX_VISITED || bytes >= LIST_BYTES {
            side.through = Some(last);
            break;
        }
        last = task.number;
        bytes += size;
        if wanted.accepts(&task) && wanted.accepts_spec(&task) {
            side.tasks.push(task);
        }
    }
    Ok(side)
}

/// Both sides in order, as far as both were read. A task in memory is newer than the same task in the store.
fn merge(memory: Side, store: Side, wanted: &Listing) -> Page {
    let place = |number| wanted.direction.rank(number);
    let through = [memory.through, store.through]
        .into_iter()
        .flatten()
        .min_by_key(|through| place(*through));
    let newer = memory.others;
    let store = store
        .tasks
        .into_iter()
        .filter(|task| !newer.contains(&task.number));
    let both = store.chain(memory.tasks);
    let tasks: BTreeMap<u64, Arc<Task>> = both
        .filter(|task| through.is_none_or(|through| place(task.number) <= place(through)))
        .map(|task| (place(task.number), task))
        .collect();
    let more = tasks.len() > wanted.size;
    let tasks: Vec<Arc<Task>> = tasks.into_values().take(wanted.size).collect();
    let next = if more {
        tasks.last().map(|task| task.number)
    } else {
        through
    };
    Page { tasks, next }
}

#[cfg(test)]
mod tests;
