//! The choice of claims: a claim is given the first of the tasks that it may be given, queues take turns, and nothing
//! that an agent may be given is held back from it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use swarm_engine::{
    command::claim::{self, Claim},
    draft::{Change, decide},
    event::Fact,
    id::{LeaseToken, Number, QueueName},
    noun::{
        needs::Shard,
        task::{Task, TaskState},
    },
    state::State,
    time::Timestamp,
};

use super::waiters::liveness;

/// Claims with a limit after which an agent has looked at all tasks of a world, twice.
const CLAIMS: usize = 500;

/// How often a queue was passed over for another one since it was given to.
#[derive(Default)]
pub(crate) struct Turns {
    passed: BTreeMap<(QueueName, QueueName), u32>,
    queued: BTreeMap<QueueName, BTreeSet<Number>>,
}

impl Turns {
    /// The turns after a start.
    pub(crate) fn begun(state: &State) -> Turns {
        let mut turns = Turns::default();
        for task in state.tasks_after(Default::default()) {
            turns.follow(task);
        }
        turns
    }

    /// Follows a change. A queue that was empty in between, be it within one decision, comes back as a new one.
    pub(crate) fn note(&mut self, change: &Change) {
        let Some(task) = &change.task else { return };
        let is_empty = self.follow(task);
        // What a claim is given is checked when all of it is known.
        if is_empty && !matches!(change.event.fact, Fact::LeaseGranted { .. }) {
            self.passed.retain(|(waiting, _), _| waiting != task.queue());
        }
    }

    /// Whether the queue of a task is empty with this record of it.
    fn follow(&mut self, task: &Task) -> bool {
        let queued = self.queued.entry(task.queue().clone()).or_default();
        match task.state() {
            TaskState::Queued => queued.insert(task.number),
            _ => queued.remove(&task.number),
        };
        queued.is_empty()
    }

    /// Checks a claim that was given these tasks, none of them again.
    pub(crate) fn check_given(&mut self, before: &State, after: &State, claim: &Claim, given: &[Arc<Task>]) {
        let Some(first) = given.first() else { return };
        let now = after.time();
        let candidates = candidates(before, claim, now);
        // The deadline of some was over.
        let candidates = candidates.filter(|task| !is_overdue(after, task));
        let candidates: Vec<&Arc<Task>> = candidates.collect();
        if claim.wants.scan_limit == 0 && candidates.iter().any(|task| task.id == first.id) {
            let place = |task: &Task| (-task.priority, task.number);
            let own = candidates.iter().filter(|task| task.queue() == first.queue());
            assert_eq!(
                own.map(|task| place(task)).min(),
                Some(place(first)),
                "{} is given {} before the first of its queue",
                claim.agent,
                first.id
            );
            let highest = candidates.iter().map(|task| task.priority).max();
            assert_eq!(Some(first.priority), highest, "{} has a lower priority", first.id);
            let others = candidates.iter().filter(|task| task.priority == first.priority);
            let others = others
                .map(|task| task.queue())
                .filter(|queue| *queue != first.queue());
            for waiting in others.collect::<BTreeSet<_>>() {
                let passed = self
                    .passed
                    .entry((waiting.clone(), first.queue().clone()))
                    .or_default();
                *passed += 1;
                assert_eq!(
                    *passed,
                    1,
                    "queue {waiting} waits while {} is given twice in a row to {}",
                    first.queue(),
                    claim.agent
                );
            }
        }
        for task in given {
            self.passed.retain(|(waiting, _), _| waiting != task.queue());
        }
    }
}

/// Checks a claim that was given nothing: there is nothing, or the agent has not looked at all tasks and finds it with
/// one of its next claims.
pub(crate) fn check_nothing(before: &State, after: &State, claim: &Claim, now: Timestamp) {
    let state = |task: &Task| after.task_numbered(task.number).map(|task| task.state());
    let failed_some = before.ready().classes().count() > 0
        && before.tasks_after(Default::default()).any(|task| {
            task.state() == TaskState::Queued && state(task).is_none_or(|state| state != TaskState::Queued)
        });
    let is_kept_back =
        after.hold_on(&claim.agent).is_some() || after.slowed_until(&claim.agent, now).is_some();
    if is_kept_back || failed_some {
        return;
    }
    // An agent that looks at few tasks a time may have looked at one while it avoided it.
    let was_seen = |task: &Task| {
        let attempts = task.attempts.iter();
        claim.wants.scan_limit > 0
            && attempts
                .map(|attempt| &attempt.agent)
                .any(|agent| *agent == claim.agent)
    };
    let Some(missed) = candidates(after, claim, now).find(|task| !was_seen(task)) else {
        return;
    };
    let mut state = after.clone();
    let mut claim = claim.clone();
    for count in 0..CLAIMS {
        assert!(
            state.is_scanning(&claim.agent),
            "{} is given nothing after {count} further claims, though it may be given {}",
            claim.agent,
            missed.id
        );
        claim.tokens = vec![LeaseToken([7; 16])];
        let (given, _) = decide(&mut state, now, |draft| claim::decide(draft, claim.clone()));
        if given.is_ok_and(|given| !given.is_empty()) {
            return;
        }
    }
    panic!(
        "{} goes on looking for {} and never sees it",
        claim.agent, missed.id
    );
}

/// The queued tasks that a claim may be given, of its own shard alone when the coordinator shares them out.
fn candidates<'a>(state: &'a State, claim: &'a Claim, now: Timestamp) -> impl Iterator<Item = &'a Arc<Task>> {
    let agent = state.agent(&claim.agent);
    let offer = agent.map(|agent| state.offer(agent, &claim.wants));
    let is_shared = matches!(claim.wants.shard, Some(Shard { index: None, .. }));
    state.tasks_after(Default::default()).filter(move |task| {
        let (Some(agent), Some(offer)) = (agent, &offer) else {
            return false;
        };
        let needs = &task.needs;
        let is_free = |group| state.ready().holder(group).is_none();
        task.state() == TaskState::Queued
            && !is_shared
            && state.is_open(task.queue())
            && offer.suits(&needs.class)
            && agent.rules.allow(&needs.class, &needs.program)
            && offer.buckets.has(task.bucket)
            && needs.group.as_ref().is_none_or(is_free)
            && state.avoids(task, agent, liveness(now)).is_none()
    })
}

fn is_overdue(after: &State, task: &Task) -> bool {
    let now = after.task_numbered(task.number);
    now.is_none_or(|now| now.end().is_some())
}
