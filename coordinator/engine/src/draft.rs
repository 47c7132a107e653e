//! A decision in the making.

use std::{ops::Deref, sync::Arc, time::Duration};

use crate::{
    event::{Event, Fact},
    id::{AgentId, Number},
    limits::MAX_DECISION_EVENTS,
    noun::{agent::Agent, counts::Counts, job::Job, task::Task},
    rejection::Rejection,
    state::{State, soft::Soft},
    time::Timestamp,
    touches::Touches,
};

/// The state together with the events that the decision has emitted so far. It reads as the state, so a
/// decision sees its own earlier picks.
///
/// Check first, emit after: nothing is rejected after the first `emit`.
pub struct Draft<'a> {
    state: &'a mut State,
    now: Timestamp,
    changes: Vec<Change>,
}

/// An event, and the records it touched as they are right after it.
#[derive(Clone, Debug)]
pub struct Change {
    /// What happened.
    pub event: Event,
    /// The touched task.
    pub task: Option<Arc<Task>>,
    /// The touched job: also when a task of it ended or has ended no longer.
    pub job: Option<Arc<Job>>,
    /// The touched agent.
    pub agent: Option<Arc<Agent>>,
    /// How many kept tasks have ended right after it, by final state.
    pub ended: Counts,
}

/// Runs one decision on the state. Time never goes backwards: `now` is at least the time of the last event.
///
/// # Panics
///
/// When the decision is rejected after it emitted something: its events could be neither kept nor taken back.
pub fn decide<T>(
    state: &mut State,
    now: Timestamp,
    decision: impl FnOnce(&mut Draft<'_>) -> Result<T, Rejection>,
) -> (Result<T, Rejection>, Vec<Change>) {
    let now = now.max(state.time);
    let mut draft = Draft {
        state,
        now,
        changes: Vec::new(),
    };
    let result = decision(&mut draft);
    let changes = draft.changes;
    assert!(
        result.is_ok() || changes.is_empty(),
        "a decision rejects before it emits"
    );
    assert!(
        changes.len() <= MAX_DECISION_EVENTS,
        "a decision emits at most {MAX_DECISION_EVENTS} events"
    );
    (result, changes)
}

/// Applies an event, and says which records it touched.
pub fn replay(state: &mut State, event: Event) -> Change {
    state.apply(&event);
    let Touches { task, job, agent, .. } = event.fact.touches();
    let task = task.and_then(|task| state.task_numbered(task.number)).cloned();
    let job = job.and_then(|job| state.job(job.id)).cloned();
    let agent = agent.and_then(|agent| state.agent(agent)).cloned();
    Change {
        event,
        task,
        job,
        agent,
        ended: state.ended,
    }
}

impl Draft<'_> {
    /// The time of the decision.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Applies a fact and records it.
    pub fn emit(&mut self, fact: Fact) {
        let event = Event {
            seq: self.state.seq.next(),
            time: self.now,
            fact,
        };
        self.changes.push(replay(self.state, event));
    }

    /// How many events the decision has emitted so far.
    pub fn emitted(&self) -> usize {
        self.changes.len()
    }

    /// Lets the lease of a running task last from now on, without a sign that its agent knows of it.
    pub fn extend(&mut self, number: Number, ttl: Duration) {
        self.state.extend(number, self.now, ttl);
    }

    /// Renews the lease of a running task: a soft fact, not an event.
    pub fn renew(&mut self, number: Number, ttl: Duration) -> bool {
        self.state.renew(number, self.now, ttl)
    }

    /// Notes that an agent was heard of: a soft fact, not an event.
    pub fn seen(&mut self, agent: &AgentId, draining: Option<bool>) {
        self.state.soft.seen(agent, self.now, draining);
    }

    /// Notes that an agent was heard of, if it is one we know: a soft fact, not an event.
    pub fn known_agent_seen(&mut self, agent: &AgentId) {
        if self.state.agent(agent).is_some_and(|known| !known.gone) {
            self.seen(agent, None);
        }
    }

    /// The soft facts, which change without an event.
    pub(crate) fn soft_mut(&mut self) -> &mut Soft {
        &mut self.state.soft
    }
}

impl Deref for Draft<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        self.state
    }
}
