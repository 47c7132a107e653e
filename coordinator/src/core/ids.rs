//! Ids by their beginning, over memory and store.

use std::{collections::BTreeSet, ops::Bound};

use swarm_engine::id::{AgentId, JobId, QueueName, Seq, TaskId};

use super::{Answer, Core};
use crate::records::task::find;

/// Ids in alphabetical order.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    pub(crate) tasks: BTreeSet<TaskId>,
    pub(crate) jobs: Vec<JobId>,
    /// Without agents that said goodbye.
    pub(crate) agents: Vec<AgentId>,
    pub(crate) queues: Vec<QueueName>,
}

impl Core {
    /// The first ids of each kind that begin with `prefix`, at most `most` of each.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub(crate) async fn ids(&self, prefix: String, most: usize) -> Result<Answer<Ids>, String> {
        let (mut ids, leaving, mut as_of) = {
            let inner = self.lock();
            let state = &inner.state;
            let agents = state.agents_named(&prefix).filter(|agent| agent.is_expected());
            let queues = state
                .queues_after("")
                .filter(|queue| queue.as_str().starts_with(&prefix));
            let ids = Ids {
                tasks: state
                    .task_ids(&prefix)
                    .take(most)
                    .map(|(id, _)| id.clone())
                    .collect(),
                jobs: state.job_ids(&prefix).take(most).cloned().collect(),
                agents: agents.take(most).map(|agent| agent.id.clone()).collect(),
                queues: queues.take(most).collect(),
            };
            // A removed task is in the store for a little longer.
            let behind = (Bound::Included(prefix.as_str()), Bound::Unbounded);
            let leaving = inner.leaving.range::<str, _>(behind);
            let leaving: BTreeSet<TaskId> = leaving
                .map(|(id, _)| id)
                .take_while(|id| id.as_str().starts_with(&prefix))
                .cloned()
                .collect();
            (ids, leaving, state.seq())
        };
        let store = self.store.clone();
        let wanted = most + leaving.len();
        let reading = tokio::task::spawn_blocking(move || find::ids(&store, &prefix, wanted));
        let stored = reading
            .await
            .map_err(|_| "the coordinator is stopping".to_owned())??;
        for (id, number) in stored {
            if !leaving.contains(&id) {
                // A task from the store may be newer than the look into memory.
                as_of = as_of.max(Seq(number.0));
                ids.tasks.insert(id);
            }
        }
        while ids.tasks.len() > most {
            ids.tasks.pop_last();
        }
        self.until_durable(as_of).await;
        Ok(Answer { value: ids, as_of })
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{fixture::Fixture, requests::task};

    #[tokio::test(flavor = "multi_thread")]
    async fn ids_are_found_by_their_beginning_wherever_their_tasks_are() {
        let swarm = Fixture::new();
        swarm.register().await;
        let named = |names: &[&str]| names.iter().map(|name| task(name, &[])).collect();
        let job = Some("aj");
        swarm.submit(job, named(&["ab1", "b1", "ab2"])).await.unwrap();
        swarm.work().await;
        swarm.settle().await;
        assert_eq!(swarm.tasks_in_memory(), 0);
        swarm.submit(None, named(&["ab0", "ab3", "ac"])).await.unwrap();

        let found = async |prefix: &str, most| {
            let found = swarm.core.ids(prefix.to_owned(), most).await.unwrap().value;
            let tasks: Vec<String> = found.tasks.iter().map(ToString::to_string).collect();
            let others = [found.jobs.len(), found.agents.len(), found.queues.len()];
            (tasks.join(" "), others)
        };
        assert_eq!(found("ab", 10).await, ("ab0 ab1 ab2 ab3".to_owned(), [0, 0, 0]));
        assert_eq!(found("ab", 2).await, ("ab0 ab1".to_owned(), [0, 0, 0]));
        assert_eq!(found("", 4).await, ("ab0 ab1 ab2 ab3".to_owned(), [1, 1, 1]));
        assert_eq!(
            found("a", 100).await,
            ("ab0 ab1 ab2 ab3 ac".to_owned(), [1, 1, 0])
        );
        assert_eq!(found("ab1", 10).await, ("ab1".to_owned(), [0, 0, 0]));
        assert_eq!(found("b2", 10).await, (String::new(), [0, 0, 0]));
        assert_eq!(found("\u{ff}", 10).await, (String::new(), [0, 0, 0]));
    }
}
