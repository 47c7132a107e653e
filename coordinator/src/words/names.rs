//! Names beside ids in the sentences about events: people know the names, and commands take the ids.

use std::{collections::BTreeMap, sync::Arc};

use swarm_engine::id::{AgentId, TaskId};

/// Characters of an agent's id beside its name, which is enough to tell agents of one name apart.
const AGENT_ID_CHARS: usize = 6;

/// The names of tasks and agents, as far as they have any.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    /// Tasks' names.
    pub(crate) tasks: BTreeMap<TaskId, String>,
    /// Agents' names.
    pub(crate) agents: BTreeMap<AgentId, Arc<str>>,
}

impl Names {
    /// A task in a sentence: `fetch (k3v7q2mzdh)`, its id alone when it has no name.
    pub(super) fn task(&self, id: &TaskId) -> String {
        match self.tasks.get(id) {
            Some(name) if !name.is_empty() && name != id.as_str() => format!("{name} ({id})"),
            Some(_) | None => id.to_string(),
        }
    }

    /// An agent in a sentence: `lab-2 (bjiyg5…)`.
    pub(super) fn agent(&self, id: &AgentId) -> String {
        match self.agents.get(id) {
            Some(name) if !name.is_empty() && **name != *id.as_str() => {
                let end = id.as_str().char_indices().nth(AGENT_ID_CHARS);
                match end {
                    Some((end, _)) => format!("{name} ({}…)", &id.as_str()[..end]),
                    None => format!("{name} ({id})"),
                }
            }
            Some(_) | None => id.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_before_ids() {
        let names = Names {
            tasks: [("k3v7", "fetch"), ("same", "same"), ("none", "")]
                .map(|(id, name)| (TaskId::stored(id), name.to_owned()))
                .into(),
            agents: [("bjiyg5o76yhpidjc", "lab-2"), ("lab-3", "lab-3"), ("a1", "attic")]
                .map(|(id, name)| (AgentId::stored(id), name.into()))
                .into(),
        };
        let tasks = ["k3v7", "same", "none", "x5t2"].map(|id| names.task(&TaskId::stored(id)));
        assert_eq!(tasks, ["fetch (k3v7)", "same", "none", "x5t2"]);
        let agents = ["bjiyg5o76yhpidjc", "lab-3", "a1", "b2"].map(|id| names.agent(&AgentId::stored(id)));
        assert_eq!(agents, ["lab-2 (bjiyg5…)", "lab-3", "attic (a1)", "b2"]);
    }
}
