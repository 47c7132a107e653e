//! Removal of agents, on real files.

use std::time::Duration;

use swarm_engine::id::AgentId;

use crate::testing::{
    fixture::Fixture,
    requests::{agent, task},
};

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_nobody_has_heard_of_is_gone_for_good_and_one_with_a_lease_is_not() {
    let swarm = Fixture::new();
    let idle = AgentId::stored("idle");
    swarm.register().await;
    swarm.register_as(idle.clone()).await;
    swarm.submit(None, vec![task("a", &[])]).await.unwrap();
    swarm.claim(1).await;
    assert_eq!(swarm.core.prune_agents(Duration::from_secs(3600)).await, 0);
    let before = swarm.core.budget().state.used();
    assert_eq!(swarm.core.prune_agents(Duration::ZERO).await, 1);
    assert!(swarm.core.budget().state.used() < before);
    swarm.settle().await;

    let swarm = swarm.restart();
    let known = |id: &AgentId| swarm.core.peek(|state| state.agent(id).is_some());
    assert!(!known(&idle) && known(&agent()));
    swarm.register_as(idle.clone()).await;
    assert!(known(&idle));
    swarm.stop();
}
