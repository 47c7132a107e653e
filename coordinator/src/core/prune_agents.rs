//! Removal of agents of which nobody has heard for long.

use std::time::Duration;

use swarm_engine::{
    command::prune_agents::{self, PruneAgents},
    id::AgentId,
    limits::PRUNE_STEP,
    time::Timestamp,
};

use super::Core;

impl Core {
    /// Lets the engine remove the agents that were not heard of for so long, some at a time under the lock. Answers how
    /// many were removed.
    pub(crate) async fn prune_agents(&self, keep: Duration) -> usize {
        let keep_ms = u64::try_from(keep.as_millis()).unwrap_or(u64::MAX);
        let (now, started) = (self.clock.now(), self.clock.started());
        let Some(heard_by) = now.0.checked_sub(keep_ms).map(Timestamp) else {
            return 0;
        };
        let mut after = String::new();
        let mut removed = 0;
        loop {
            let (step, as_of, visited) = {
                let mut locked = self.lock();
                let page: Vec<AgentId> = locked
                    .state
                    .agents_after(&after)
                    .take(PRUNE_STEP)
                    .map(|agent| agent.id.clone())
                    .collect();
                let visited = page.len();
                if let Some(last) = page.last() {
                    after = last.to_string();
                }
                let request = PruneAgents {
                    agents: page,
                    heard_by,
                    started,
                };
                let step = locked.decide(|draft| Ok(prune_agents::decide(draft, &request)));
                (step.unwrap_or_default(), locked.release(), visited)
            };
            self.until_durable(as_of).await;
            removed += step;
            if visited < PRUNE_STEP {
                return removed;
            }
        }
    }
}

#[cfg(test)]
mod tests;
