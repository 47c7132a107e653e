//! Agents as people know them: by name, with the beginning of the id that tells agents of one name apart.

use swarm_proto::v1::{Agent, GetAgentRequest};

use super::client::Client;

/// Characters of an id beside a name.
const SHOWN_CHARS: usize = 6;

/// `lab-2 (bjiyg5…)`; the id alone when the agent has no other name.
pub(crate) fn of(agent: &Agent) -> String {
    let Agent { agent_id, name, .. } = agent;
    if name.is_empty() || name == agent_id {
        return agent_id.clone();
    }
    match agent_id.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{name} ({}…)", &agent_id[..end]),
        None => format!("{name} ({agent_id})"),
    }
}

/// The title of the agent with this id; the id when the agent is no longer known.
pub(crate) async fn of_id(client: &Client, agent_id: &str) -> String {
    let request = GetAgentRequest {
        agent_id: agent_id.to_owned(),
    };
    // The id would do, so a failure here is not worth a word.
    match client.call(request).await.ok().and_then(|answer| answer.agent) {
        Some(agent) => of(&agent),
        None => agent_id.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stands_before_the_beginning_of_an_id() {
        let titled = |id: &str, name: &str| {
            of(&Agent {
                agent_id: id.into(),
                name: name.into(),
                ..Agent::default()
            })
        };
        assert_eq!(titled("bjiyg5o76yhpidjc", "lab-2"), "lab-2 (bjiyg5…)");
        assert_eq!(titled("a1", "lab-2"), "lab-2 (a1)");
        assert_eq!(titled("bjiyg5o76yhpidjc", ""), "bjiyg5o76yhpidjc");
        assert_eq!(titled("lab-2", "lab-2"), "lab-2");
    }
}
