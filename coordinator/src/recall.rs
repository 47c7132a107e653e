//! Finished tasks leave memory once the store holds them, and come back when a request names them.
//!
//! A request that names a task which is not in memory pins its tasks first: what is pinned stays, and what
//! is missing is read from the store and taken back before the request decides. So no decision differs
//! because a task was forgotten, and no read falls between the two.

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

use crate::{
    core::{Answer, Core},
    limits::{FORGET_STEP, IDS_PATIENCE, RECALL_BYTES},
    lock::Inner,
    pins::Pins,
    records::find::{self, FindError},
};

/// A pin on the tasks that one request has named, taken out also when its caller goes away. Tasks that are still
/// finished then leave memory again.
pub(crate) struct Pinned<'a> {
    core: &'a Core,
    pub(crate) pin: u64,
}

impl Drop for Pinned<'_> {
    fn drop(&mut self) {
        self.core.lock().pins.take_out(self.pin);
        self.core.forget_finished();
    }
}

/// Why a request that names tasks was not carried out.
#[derive(Debug)]
pub(crate) enum Refused {
    /// Its decision, or what it asks for, is refused.
    Rejected(Rejection),
    /// The tasks that it names cannot be looked up.
    Unreadable(String),
    /// It cannot be said yet that a task does not exist.
    TooSoon,
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
            FindError::TooLarge => {
                let mut faults = Faults::default();
                let most = RECALL_BYTES >> 20;
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

impl Core {
    /// As `execute`, for a request that names these tasks: those of them that exist are in memory when it
    /// decides.
    ///
    /// # Errors
    ///
    /// The decision's rejection; also when the tasks are too much for memory, or the store cannot be read.
    pub(crate) async fn execute_naming<T>(
        &self,
        ids: BTreeSet<TaskId>,
        decision: impl FnOnce(&mut Draft<'_>) -> Result<T, Rejection>,
    ) -> Result<Answer<T>, Refused> {
        let (result, as_of) = match self.decide_if_here(&ids, decision) {
            Ok(decided) => decided,
            Err(decision) => {
                let ids = Arc::new(ids);
                loop {
                    let turn = self.store_readers.acquire().await;
                    let (pinned, missing) = self.pin(&ids);
                    let wanted = missing.len();
                    let found = self.read_store(missing).await?;
                    if found.len() == wanted || *self.ids_read.borrow() {
                        break self.decide_with(&found, |_, draft| decision(draft));
                    }
                    drop((turn, pinned, found));
                    self.until_ids_are_read().await?;
                }
            }
        };
        self.until_durable(as_of).await;
        Ok(result.map(|value| Answer { value, as_of })?)
    }

    /// Decides if all these tasks that exist are in memory; gives the decision back when the store has to be asked.
    fn decide_if_here<T, D: FnOnce(&mut Draft<'_>) -> Result<T, Rejection>>(
        &self,
        ids: &BTreeSet<TaskId>,
        decision: D,
    ) -> Result<(Result<T, Rejection>, Seq), D> {
        let mut locked = self.lock();
        if ids.iter().any(|id| locked.may_be_stored(id)) {
            return Err(decision);
        }
        let result = locked.decide(decision);
        Ok((result, locked.release()))
    }

    /// Keeps these tasks in memory, and says which are not there.
    pub(crate) fn pin(&self, ids: &Arc<BTreeSet<TaskId>>) -> (Pinned<'_>, Vec<TaskId>) {
        let mut inner = self.lock();
        let pin = inner.pins.put_in(Arc::clone(ids));
        let missing = inner.missing(ids.iter());
        (Pinned { core: self, pin }, missing)
    }

    /// Takes the tasks back that State still lacks, and decides, with what requests have named at hand.
    pub(crate) fn decide_with<T>(
        &self,
        found: &[Arc<Task>],
        decision: impl FnOnce(&Pins, &mut Draft<'_>) -> Result<T, Rejection>,
    ) -> (Result<T, Rejection>, Seq) {
        let mut locked = self.lock();
        for task in found.iter().filter(|task| task.is_finished()) {
            locked.state.recall(Arc::clone(task));
        }
        let pins = std::mem::take(&mut locked.pins);
        let result = locked.decide(|draft| decision(&pins, draft));
        locked.pins = pins;
        (result, locked.release())
    }

    /// Those of these tasks that exist, from memory or from the store.
    ///
    /// # Errors
    ///
    /// When they are too much for memory, or the store cannot be read.
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
                self.until_ids_are_read().await?;
            }
            found.extend(stored);
        }
        // What the store had may be newer than the look into memory.
        let as_of = found.iter().map(|task| task.revision).fold(as_of, Seq::max);
        self.until_durable(as_of).await;
        let value = found.into_iter().map(|task| (task.id.clone(), task)).collect();
        Ok(Answer { value, as_of })
    }

    /// For the scrub: no id is missing in the store.
    pub(crate) fn ids_are_read(&self) {
        self.ids_read.send_replace(true);
    }

    /// Waits until no id is missing in the store, however long that takes.
    pub(crate) async fn ids_were_read(&self) {
        let mut ids_read = self.ids_read.subscribe();
        // The sender lives as long as `self`.
        let _ = ids_read.wait_for(|are_read| *are_read).await;
    }

    /// After a start, waits until the ids in the store have been read through. Before that, one that is not found
    /// may be one that sled has lost, and what is decided because it is not there would be wrong for ever.
    async fn until_ids_are_read(&self) -> Result<(), FindError> {
        let mut ids_read = self.ids_read.subscribe();
        match tokio::time::timeout(IDS_PATIENCE, ids_read.wait_for(|are_read| *are_read)).await {
            Ok(_) => Ok(()),
            Err(_) => Err(FindError::TooSoon),
        }
    }

    /// Off the threads that serve: it may wait for a disk. The caller has a turn.
    pub(crate) async fn read_store(&self, ids: Vec<TaskId>) -> Result<Vec<Arc<Task>>, FindError> {
        let store = self.store.clone();
        let reading = tokio::task::spawn_blocking(move || find::tasks(&store, &ids));
        match reading.await {
            Ok(found) => found,
            Err(_) => Err(FindError::Store("the coordinator is stopping".to_owned())),
        }
    }

    /// Forgets what the store holds by now and nothing needs, in steps that keep the lock for a short time.
    pub(crate) fn forget_finished(&self) {
        loop {
            let applied = Seq(self.store.applied_seq());
            let mut inner = self.lock();
            let step: Vec<Arc<Task>> = inner
                .state
                .finished(applied)
                .filter(|task| !inner.pins.holds(&task.id))
                .take(FORGET_STEP)
                .cloned()
                .collect();
            for task in &step {
                if inner.state.forget(task.number) {
                    inner.stored_ids.add(task.id.as_str());
                }
            }
            drop(inner);
            // The records are freed here, not under the lock.
            if step.len() < FORGET_STEP {
                return;
            }
        }
    }
}

impl Inner {
    fn missing<'a>(&self, ids: impl Iterator<Item = &'a TaskId>) -> Vec<TaskId> {
        ids.filter(|id| self.may_be_stored(id)).cloned().collect()
    }

    /// Whether only the store can say if there is such a task. What was removed is in it for a little longer.
    fn may_be_stored(&self, id: &TaskId) -> bool {
        self.state.task(id).is_none() && !self.leaving.contains_key(id) && self.stored_ids.may_have(id)
    }
}

#[cfg(test)]
mod figures;
#[cfg(test)]
mod tests;
