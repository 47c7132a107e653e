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
    /// The sentence with `task fetch (k3v7q2mzdh)` for `task k3v7q2mzdh`, and `agent lab-2 (bjiyg5…)` for the agent. An
    /// id stands behind its noun, or behind a word that leads to a dependency.
    pub(crate) fn put_into(&self, sentence: &str) -> String {
        if self.tasks.is_empty() && self.agents.is_empty() {
            return sentence.to_owned();
        }
        let mut before = "";
        let words = sentence.split(' ').map(|word| {
            let id = word.trim_end_matches([',', ';', ':']);
            let named = match before {
                "task" | "for" | "because" => self.task(id),
                "agent" => self.agent(id),
                _ => None,
            };
            before = word;
            match named {
                Some(named) => format!("{named}{}", &word[id.len()..]),
                None => word.to_owned(),
            }
        });
        words.collect::<Vec<_>>().join(" ")
    }

    fn task(&self, id: &str) -> Option<String> {
        let name = self.tasks.get(id)?;
        (!name.is_empty() && name != id).then(|| format!("{name} ({id})"))
    }

    fn agent(&self, id: &str) -> Option<String> {
        let name = self.agents.get(id)?;
        if name.is_empty() || **name == *id {
            return None;
        }
        Some(match id.char_indices().nth(AGENT_ID_CHARS) {
            Some((end, _)) => format!("{name} ({}…)", &id[..end]),
            None => format!("{name} ({id})"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_before_ids() {
        let names = Names {
            tasks: [
                ("k3v7", "fetch"),
                ("x5t2", "the build"),
                ("same", "same"),
                ("none", ""),
            ]
            .map(|(id, name)| (TaskId::stored(id), name.to_owned()))
            .into(),
            agents: [("bjiyg5o76yhpidjc", "lab-2"), ("lab-3", "lab-3"), ("a1", "attic")]
                .map(|(id, name)| (AgentId::stored(id), name.into()))
                .into(),
        };
        for (sentence, expected) in [
            (
                "task k3v7 started attempt 1 on agent bjiyg5o76yhpidjc",
                "task fetch (k3v7) started attempt 1 on agent lab-2 (bjiyg5…)",
            ),
            (
                "task x5t2 lost attempt 2 on agent a1: nothing was heard",
                "task the build (x5t2) lost attempt 2 on agent attic (a1): nothing was heard",
            ),
            (
                "task x5t2 was skipped because k3v7 did not succeed",
                "task the build (x5t2) was skipped because fetch (k3v7) did not succeed",
            ),
            (
                "task same waits no longer for k3v7; 1 left",
                "task same waits no longer for fetch (k3v7); 1 left",
            ),
            ("task none is due", "task none is due"),
            ("agent lab-3 said goodbye", "agent lab-3 said goodbye"),
            ("job k3v7 was submitted", "job k3v7 was submitted"),
        ] {
            assert_eq!(names.put_into(sentence), expected);
        }
    }
}
