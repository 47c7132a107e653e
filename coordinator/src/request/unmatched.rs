//! The tasks of a submit that no live agent can run.

use std::collections::BTreeMap;

use swarm_engine::{
    command::submit::Submitted,
    noun::{
        needs::{Class, Needs},
        rules::Program,
    },
    rule::{fit::Liveness, unmatched::Takers},
    state::State,
};
use swarm_proto::{
    limits::{MAX_UNMATCHED, MAX_UNMATCHED_IDS},
    v1,
};

use crate::{
    program::limits::{MAX_CLASSES_VISITED, MAX_PATTERNS_COMPARED},
    words::unfit::unmatched_in_words,
};

/// The submitted tasks that no live agent can run as things are, together where the reason is the same.
pub(super) fn unmatched(state: &State, submitted: &[Submitted], liveness: Liveness) -> Vec<v1::Unmatched> {
    let mut takers: BTreeMap<&Class, Takers> = BTreeMap::new();
    let mut known: BTreeMap<(&Class, Option<&Program>), Option<usize>> = BTreeMap::new();
    let mut unmatched: Vec<v1::Unmatched> = Vec::new();
    let mut left = MAX_PATTERNS_COMPARED;
    for task in submitted.iter().filter_map(|task| state.task(&task.id)) {
        if task.end().is_some() || task.lease().is_some() {
            continue;
        }
        let Needs { class, program, .. } = &*task.needs;
        if !takers.contains_key(class) && takers.len() >= MAX_CLASSES_VISITED {
            continue;
        }
        let takers = takers
            .entry(class)
            .or_insert_with(|| state.takers(class, liveness));
        let is_ruled = matches!(takers, Takers::Ruled(_));
        let place = known
            .entry((class, is_ruled.then_some(program)))
            .or_insert_with(|| {
                if unmatched.len() >= MAX_UNMATCHED || takers.run(class, program, &mut left) {
                    return None;
                }
                let why = match takers {
                    Takers::Nobody(why) => why.clone(),
                    Takers::Ruled(_) | Takers::Anybody => state.unmatched(&task.needs, None, liveness)?,
                };
                let message = unmatched_in_words(&why);
                let same = unmatched.iter().position(|other| other.message == message);
                Some(same.unwrap_or_else(|| {
                    unmatched.push(v1::Unmatched {
                        message,
                        ..v1::Unmatched::default()
                    });
                    unmatched.len() - 1
                }))
            });
        if let Some(entry) = place.map(|place| &mut unmatched[place]) {
            entry.tasks += 1;
            if entry.task_ids.len() < MAX_UNMATCHED_IDS {
                entry.task_ids.push(task.id.to_string());
            }
        }
    }
    unmatched
}
