//! Removal of tasks that ended long ago.

use std::{collections::BTreeSet, sync::Arc};

use swarm_engine::{
    command::prune::{self, Prune},
    event::Event,
    id::{Seq, TaskId},
    noun::task::Task,
    time::Timestamp,
    touches::TaskChange,
};

use super::{
    Core,
    recall::{Decided, Pinned, Refused},
};
use crate::records::task::aging::Aged;

/// Records brought into memory together: even the largest stay below what one request may recall.
const RECALLED_TOGETHER: usize = 256;

impl Core {
    /// Lets the engine remove those of the tasks that nothing needs. Answers how many were removed.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub(crate) async fn prune(&self, tasks: Vec<Aged>, ended_by: Timestamp) -> Result<usize, Refused> {
        let candidates: Vec<Aged> = {
            let inner = self.lock();
            let may_go =
                |task: &Aged| !inner.state.is_needed(&task.id) && !inner.leaving.contains_key(&task.id);
            tasks.into_iter().filter(may_go).collect()
        };
        let mut removed = 0;
        for some in candidates.chunks(RECALLED_TOGETHER) {
            removed += self.prune_together(some, ended_by).await?;
        }
        Ok(removed)
    }

    async fn prune_together(&self, tasks: &[Aged], ended_by: Timestamp) -> Result<usize, Refused> {
        let ids: Arc<BTreeSet<TaskId>> = Arc::new(tasks.iter().map(|task| task.id.clone()).collect());
        let _turn = self.store_readers.acquire().await;
        let (pinned, missing) = self.pin(&ids);
        let found = self.read_store(missing).await?;
        let (removed, as_of) = self.prune_now(tasks, ended_by, &pinned, &found);
        drop(pinned);
        self.until_durable(as_of).await;
        Ok(removed?)
    }

    /// Takes the found tasks back, and lets the engine remove those that no other request has named: such a request is
    /// about to decide.
    fn prune_now(
        &self,
        tasks: &[Aged],
        ended_by: Timestamp,
        pinned: &Pinned<'_>,
        found: &[Arc<Task>],
    ) -> Decided<usize> {
        let mut locked = self.lock();
        locked.take_back(pinned.pin, found);
        let free = tasks
            .iter()
            .filter(|task| !locked.pins.holds_for_others(pinned.pin, &task.id))
            .map(|task| task.number);
        let request = Prune {
            tasks: free.collect(),
            ended_by,
        };
        let removed = locked.decide(|draft| Ok(prune::decide(draft, &request)));
        (removed, locked.release())
    }

    /// The state between the decision to remove a task and its removal from the store.
    #[cfg(test)]
    pub(crate) fn set_leaving(&self, task: &swarm_engine::noun::task::Task) {
        let mut inner = self.lock();
        let removal = (task.number, inner.state.seq());
        inner.leaving.insert(task.id.clone(), removal);
    }

    /// For the view: the store has these events, and no longer has the tasks that they removed.
    pub(super) fn left_store(&self, events: &[Arc<Event>]) {
        let removals: Vec<(&TaskId, Seq)> = events
            .iter()
            .filter_map(|event| {
                let task = event.fact.touches().task?;
                matches!(task.change, TaskChange::Removed { .. }).then_some((task.id, event.seq))
            })
            .collect();
        if removals.is_empty() {
            return;
        }
        let mut inner = self.lock();
        for (task, seq) in removals {
            // The id may have been used again, and that task removed as well.
            if inner.leaving.get(task).is_some_and(|(_, latest)| *latest == seq) {
                inner.leaving.remove(task);
            }
        }
    }
}
