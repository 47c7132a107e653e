//! The end: when faults have stopped every task ends, and what is read of it is what the log says.

use std::collections::BTreeMap;

use swarm_proto::v1::Task;

use super::life::{Life, is_end};
use crate::crash::history::History;

pub(super) fn violations(history: &History, lives: &BTreeMap<&str, Life<'_>>) -> Vec<String> {
    let mut found = Vec::new();
    let read: BTreeMap<&str, &Task> = history
        .tasks
        .iter()
        .map(|task| (task.task_id.as_str(), task))
        .collect();
    for (&id, life) in lives {
        if !is_end(life.state) {
            found.push(format!(
                "task {id} has not ended: it is {}",
                life.state.as_str_name()
            ));
        }
        let Some(task) = read.get(id) else {
            found.push(format!("task {id} is in the log and cannot be read"));
            continue;
        };
        let attempts = life.attempts().keys().next_back().copied().unwrap_or(0);
        let failures = task.tries.as_ref().map_or(0, |tries| tries.failures);
        let newest = life.seqs.last().copied().unwrap_or(0);
        let is_same = task.state() == life.state
            && task.attempt_count == attempts
            && task.round == life.round
            && task.revision == newest
            && failures == life.failures();
        if !is_same {
            found.push(format!(
                "task {id} is read as {} after {} attempts and {failures} failures in round {}, revision {}; \
                 the log says {} after {attempts} and {} in round {}, revision {newest}",
                task.state().as_str_name(),
                task.attempt_count,
                task.round,
                task.revision,
                life.state.as_str_name(),
                life.failures(),
                life.round
            ));
        }
    }
    for id in read.keys().filter(|id| !lives.contains_key(*id)) {
        found.push(format!("task {id} can be read and is not in the log"));
    }
    found
}
