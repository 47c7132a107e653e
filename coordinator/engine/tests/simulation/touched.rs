//! A check that each fact changes the records that it says it touches, and no others.

use std::{collections::BTreeMap, fmt::Debug};

use swarm_engine::{
    draft::replay,
    event::Event,
    state::{Records, State},
    touches::{TaskChange, Touches},
};

/// Folds a journal, and compares the records before and after each event.
pub(crate) fn check(journal: &[Event]) {
    let mut state = State::default();
    let mut before = state.records();
    for event in journal {
        replay(&mut state, event.clone());
        let after = state.records();
        compare(event, &before, &after);
        before = after;
    }
}

fn compare(event: &Event, before: &Records, after: &Records) {
    let Touches {
        identity,
        task,
        attempt: _,
        output: _,
        job,
        agent,
        hold,
        limit,
    } = event.fact.touches();
    let what = format!("seq {}, {}", event.seq.0, event.fact.kind());

    assert_eq!(identity, before.identity != after.identity, "{what}: identity");
    let tasks = [before, after].map(|records| keyed(&records.tasks, |task| task.number));
    only(&what, &tasks, task.map(|task| task.number));
    let jobs = [before, after].map(|records| keyed(&records.jobs, |job| job.id.clone()));
    only(&what, &jobs, job.map(|job| job.id.clone()));
    let agents = [before, after].map(|records| keyed(&records.agents, |agent| agent.id.clone()));
    only(&what, &agents, agent.cloned());
    let holds = [before, after].map(|records| keyed(&records.holds, |hold| hold.scope.clone()));
    only(&what, &holds, hold.map(|hold| hold.scope.clone()));
    let limits = [before, after].map(|records| keyed(&records.limits, |limit| limit.queue.clone()));
    only(&what, &limits, limit.as_ref().map(|limit| limit.queue.clone()));

    if let Some(task) = task {
        let record = tasks[1].get(&task.number).copied();
        let told = match task.change {
            TaskChange::Submitted(record) | TaskChange::Retried { record, was: _ } => Some(record),
            TaskChange::Changed | TaskChange::Ended => record,
            TaskChange::Removed { was: _ } => None,
        };
        assert_eq!(record, told, "{what}");
        let has_ended = record.is_some_and(|record| record.end().is_some());
        assert_eq!(has_ended, task.change == TaskChange::Ended, "{what}");
    }
    if let Some(hold) = hold {
        assert_eq!(holds[1].get(hold.scope).copied(), hold.record, "{what}");
    }
    if let Some(limit) = limit {
        let record = limits[1].get(limit.queue).map(|record| (***record).clone());
        assert_eq!(record, limit.record, "{what}");
    }
}

fn keyed<T, K: Ord>(records: &[T], key: impl Fn(&T) -> K) -> BTreeMap<K, &T> {
    records.iter().map(|record| (key(record), record)).collect()
}

/// Checks that the record with this key differs, and no other.
fn only<K: Ord + Clone + Debug, T: PartialEq>(
    what: &str,
    [before, after]: &[BTreeMap<K, &T>; 2],
    key: Option<K>,
) {
    let mut keys: Vec<&K> = before.keys().chain(after.keys()).collect();
    keys.sort();
    keys.dedup();
    let differing: Vec<K> = keys
        .into_iter()
        .filter(|key| before.get(*key) != after.get(*key))
        .cloned()
        .collect();
    assert_eq!(differing, Vec::from_iter(key), "{what}");
}
