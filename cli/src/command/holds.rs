//! Holds with the names of the agents that they are on.

use swarm_proto::v1::{Hold, ListAgentsRequest, hold::Scope};

use crate::{client::Client, pages::PAGE_SIZE};

/// The holds with agents by their names, as far as they have any: ids are for commands.
pub(super) async fn by_name(client: &Client, holds: &[Hold]) -> Vec<Hold> {
    let mut named = holds.to_vec();
    if !holds
        .iter()
        .any(|hold| matches!(hold.scope, Some(Scope::AgentId(_))))
    {
        return named;
    }
    let everybody = ListAgentsRequest {
        include_gone: true,
        page_size: PAGE_SIZE as u32,
        ..ListAgentsRequest::default()
    };
    // An id says who it is, too: a failure here is not worth a word.
    let Ok(answer) = client.list_agents(everybody).await else {
        return named;
    };
    for hold in &mut named {
        if let Some(Scope::AgentId(id)) = &mut hold.scope
            && let Some(agent) = answer.agents.iter().find(|agent| agent.agent_id == *id)
            && !agent.name.is_empty()
        {
            id.clone_from(&agent.name);
        }
    }
    named
}
