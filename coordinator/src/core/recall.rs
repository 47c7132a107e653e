//! Tasks that a request names are in memory when it decides, also when they have left it.
//!
//! The request pins the tasks first: pinned tasks stay in memory. Then it reads the missing ones from the store, takes
//! them back, and decides. So no decision differs because a task was forgotten, and no task is forgotten between the
//! reading and the decision.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use swarm_engine::{
    draft::Draft,
    id::{Seq, TaskId},
    noun::task::Task,
    rejection::{FaultKind, Faults, Rejection},
};

use super::{Answer, Core, lock::Inner};
use crate::records::task::find::{self, FindError};

/// Why a request that names tasks was not carried out.
#[derive(Debug)]
pub(crate) enum Refused {
    /// The request, or its decision, is refused.
    Rejected(Rejection),
    /// The tasks that it names cannot be looked up.
    Unreadable(String),
    /// It cannot be said yet that a task does not exist.
    TooSoon,
}

/// A decision's result, and the last event that it reflects.
pub(super) type Decided<T> = (Result<T, Rejection>, Seq);

/// A pin on the tasks that one request has named, taken out also when its caller goes away. Tasks that are still
/// finished then leave memory again.
pub(crate) struct Pinned<'a> {
    core: &'a Core,
    pub(super) pin: u64,
}

impl Core {
    /// As `execute`, for a request that names these tasks: the tasks that exist are in memory when it decides.
    ///
    /// # Errors
    ///
    /// The decision's rejection; also when the tasks are too large for memory, or the store cannot be read.
    pub(crate) async fn execute_naming<T>(
        &self,
        ids: BTreeSet<TaskId>,
        decision: impl FnOnce(&mut Draft<'_>) -> Result<T, Rejection>,
    ) -> Result<Answer<T>, Refused> {
        let (result, as_of) = match self.decide_if_here(&ids, decision) {
            Ok(decided) => decided,
            Err(decision) => self.recall_and_decide(&Arc::new(ids), decision).await?,
        };
        self.until_durable(as_of).await;
        Ok(result.map(|value| Answer { value, as_of })?)
    }

    /// The tasks with these ids that exist, from memory or from the store.
    ///
    /// # Errors
    ///
    /// When the tasks are too large for memory, or the store cannot be read.
    pub(crate) async fn find(
        &self,
        ids: &[TaskId],
    ) -> Result<Answer<BTreeMap<TaskId, Arc<Task>>>, FindError> {
        let (mut found, missing, as_of) = {
            let inner = self.lock();
            let here = ids.iter().filter_map(|id| inner.state.task(id).cloned());
            (
                here.collect::<Vec<_>>(),
                inner.missing(ids.iter()),
                inner.state.seq(),
            )
        };
        if !missing.is_empty() {
            let turn = self.store_readers.acquire().await;
            let wanted = missing.len();
            let stored = self.read_store(missing).await?;
            drop(turn);
            if stored.len() < wanted {
                self.ids_read.wait_a_little().await?;
            }
            found.extend(stored);
        }
        // A task from the store may be newer than the look into memory.
        let as_of = found.iter().map(|task| task.revision).fold(as_of, Seq::max);
        self.until_durable(as_of).await;
        let value = found.into_iter().map(|task| (task.id.clone(), task)).collect();
        Ok(Answer { value, as_of })
    }

    /// Decides at once when the store need not be asked for any of these tasks; or else gives the decision back.
    fn decide_if_here<T, D: FnOnce(&mut Draft<'_>) -> Result<T, Rejection>>(
        &self,
        ids: &BTreeSet<TaskId>,
        decision: D,
    ) -> Result<Decided<T>, D> {
        let mut locked = self.lock();
        if ids.iter().any(|id| locked.may_be_stored(id)) {
            return Err(decision);
        }
        let result = locked.decide(decision);
        Ok((result, locked.release()))
    }

    /// Takes the tasks that exist back into memory, and decides.
    async fn recall_and_decide<T>(
        &self,
        ids: &Arc<BTreeSet<TaskId>>,
        decision: impl FnOnce(&mut Draft<'_>) -> Result<T, Rejection>,
    ) -> Result<Decided<T>, FindError> {
        loop {
            let turn = self.store_readers.acquire().await;
            let (pinned, missing) = self.pin(ids);
            let wanted = missing.len();
            let found = self.read_store(missing).await?;
            if found.len() == wanted || self.ids_read.is_known() {
                return Ok(self.decide_with(&pinned, &found, decision));
            }
            // A task that was not found may be one that the store has lost. Others have the turn meanwhile.
            drop((turn, pinned, found));
            self.ids_read.wait_a_little().await?;
        }
    }

    /// Takes the found tasks back, and decides.
    fn decide_with<T>(
        &self,
        pinned: &Pinned<'_>,
        found: &[Arc<Task>],
        decision: impl FnOnce(&mut Draft<'_>) -> Result<T, Rejection>,
    ) -> Decided<T> {
        let mut locked = self.lock();
        locked.take_back(pinned.pin, found);
        let result = locked.decide(decision);
        (result, locked.release())
    }

    /// Keeps these tasks in memory, and says which are not there. The caller has a turn among the store's readers.
    pub(super) fn pin(&self, ids: &Arc<BTreeSet<TaskId>>) -> (Pinned<'_>, Vec<TaskId>) {
        let mut inner = self.lock();
        let pin = inner.pins.put_in(Arc::clone(ids));
        let missing = inner.missing(ids.iter());
        (Pinned { core: self, pin }, missing)
    }

    /// A request that has named this task and has not decided yet.
    #[cfg(test)]
    pub(crate) fn request_under_way(&self, task: TaskId) -> Pinned<'_> {
        self.pin(&Arc::new([task].into())).0
    }

    /// Reads tasks from the store, off the threads that serve. The caller has a turn among the store's readers.
    pub(super) async fn read_store(&self, ids: Vec<TaskId>) -> Result<Vec<Arc<Task>>, FindError> {
        let (store, most) = (self.store.clone(), self.budget.recall.bytes);
        let reading = tokio::task::spawn_blocking(move || find::tasks(&store, &ids, most));
        match reading.await {
            Ok(found) => found,
            Err(_) => Err(FindError::Store("the coordinator is stopping".to_owned())),
        }
    }
}

impl Inner {
    /// Takes the found tasks back that memory still lacks. A task that was removed since it was read stays away.
    pub(super) fn take_back(&mut self, pin: u64, found: &[Arc<Task>]) {
        for task in found.iter().filter(|task| task.is_finished()) {
            if !self.pins.was_removed(pin, task.number) {
                self.state.recall(Arc::clone(task));
            }
        }
    }

    fn missing<'a>(&self, ids: impl Iterator<Item = &'a TaskId>) -> Vec<TaskId> {
        ids.filter(|id| self.may_be_stored(id)).cloned().collect()
    }

    /// Whether only the store can say if there is such a task. A removed task is in the store for a little longer.
    fn may_be_stored(&self, id: &TaskId) -> bool {
        self.state.task(id).is_none() && !self.leaving.contains_key(id) && self.stored_ids.may_have(id)
    }
}

impl Drop for Pinned<'_> {
    fn drop(&mut self) {
        self.core.lock().pins.take_out(self.pin);
        self.core.forget_finished();
    }
}

impl From<Rejection> for Refused {
    fn from(rejection: Rejection) -> Refused {
        Refused::Rejected(rejection)
    }
}

impl From<FindError> for Refused {
    fn from(error: FindError) -> Refused {
        match error {
            FindError::Store(error) => Refused::Unreadable(error),
            FindError::TooSoon => Refused::TooSoon,
            FindError::TooLarge { most } => {
                let mut faults = Faults::default();
                let most = most >> 20;
                faults.add(
                    FaultKind::Field,
                    "tasks",
                    format!("finished tasks of more than {most} MiB are named: name fewer in one request"),
                );
                Refused::Rejected(Rejection::Invalid(faults))
            }
        }
    }
}

#[cfg(test)]
mod figures;
#[cfg(test)]
mod tests;
