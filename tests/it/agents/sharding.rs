//! Shards: the coordinator gives every one to some live agent, and moves those of a lost one.

use std::collections::BTreeMap;

use swarm_proto::v1::{ListAgentsRequest, TaskState, agent_service_client::AgentServiceClient};

use crate::harness::{agent::RealAgent, client::shell_task, coordinator::Coordinator, wait_until};

const AUTO: &[&str] = &["--shard-count", "4", "--slots", "2"];

/// The shards of each agent, by its name.
fn shards(coordinator: &Coordinator) -> BTreeMap<String, Vec<u32>> {
    let client = coordinator.client();
    let mut service = AgentServiceClient::new(client.channel());
    let answer = client.call(service.list_agents(ListAgentsRequest::default()));
    let agents = answer.unwrap().into_inner().agents;
    agents
        .into_iter()
        .map(|agent| (agent.name, agent.shards))
        .collect()
}

/// Whether these agents together have every shard once, and none of them is without one.
fn is_shared(coordinator: &Coordinator, names: &[&str]) -> bool {
    let shards = shards(coordinator);
    let mut all: Vec<u32> = Vec::new();
    for name in names {
        match shards.get(*name) {
            Some(own) if !own.is_empty() => all.extend_from_slice(own),
            _ => return false,
        }
    }
    all.sort_unstable();
    all == [0, 1, 2, 3]
}

#[test]
fn every_shard_is_worked_and_those_of_a_killed_agent_move() {
    let coordinator = Coordinator::with(&["--lease-ttl", "2s"]);
    let client = coordinator.client();
    let mut agents: Vec<RealAgent> = ["a", "b", "c"]
        .iter()
        .map(|name| RealAgent::start(&coordinator, name, AUTO))
        .collect();
    wait_until("every shard has one agent, and every agent a shard", || {
        is_shared(&coordinator, &["a", "b", "c"])
    });

    let run = |round: &str| {
        let ids: Vec<String> = (0..40).map(|n| format!("{round}-{n}")).collect();
        client.submit(ids.iter().map(|id| shell_task(id, "true")).collect());
        for id in &ids {
            client.wait_for_state(id, TaskState::Succeeded);
        }
    };
    run("first");
    agents[0].program().kill();
    // It had one at least, and all four are worked.
    run("second");
    wait_until("the shards of the killed agent have moved", || {
        is_shared(&coordinator, &["b", "c"])
    });
    drop(agents);
}
