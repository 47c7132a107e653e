//! A draft: a state, and the events of the decision under way.

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

/// The state together with the events that the decision has emitted so far. A draft reads like its state, so a
/// decision sees its own earlier picks.
///
/// Check first, emit after: a decision rejects nothing after its first `emit`.
pub struct Draft<'a> {
    state: &'a mut State,
    now: Timestamp,
    changes: Vec<Change>,
}

/// An event, and the records that it touched as they are right after it.
#[derive(Clone, Debug)]
pub struct Change {
    /// The event.
    pub event: Event,
    /// The touched task.
    pub task: Option<Arc<Task>>,
    /// The touched job, also when only the number of its ended tasks changed.
    pub job: Option<Arc<Job>>,
    /// The touched agent.
    pub agent: Option<Arc<Agent>>,
    /// The number of ended tasks right after the event, by final state.
    pub ended: Counts,
}

/// Runs a decision on the state. Time never goes backwards: `now` is at least the time of the last event.
///
/// # Panics
///
/// When a decision rejects its request after an event: the event could be neither kept nor taken back.
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

/// Applies an event, and adds the records that it touched.
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

    /// Lets the decision happen at an earlier time, for a start that sets the time back.
    pub(crate) fn set_back(&mut self, time: Timestamp) {
        self.now = time;
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

    /// The number of events that the decision has emitted so far.
    pub fn emitted(&self) -> usize {
        self.changes.len()
    }

    /// Lets the lease of a running task last from now on, though its agent may not know of the lease.
    pub fn extend(&mut self, number: Number, ttl: Duration) {
        self.state.extend(number, self.now, ttl);
    }

    /// Renews the lease of a running task: a soft fact, not an event.
    pub fn renew(&mut self, number: Number, ttl: Duration, ran: Option<Duration>) -> bool {
        self.state.renew(number, self.now, ttl, ran)
    }

    /// Notes a call of an agent: a soft fact, and an event only when the agent was lost.
    pub fn seen(&mut self, agent: &AgentId, draining: Option<bool>) {
        if self.state.agent(agent).is_some_and(|known| known.lost.is_some()) {
            self.emit(Fact::AgentReturned { agent: agent.clone() });
        }
        self.state.soft.seen(agent, self.now, draining);
    }

    /// Notes a call of an agent that may be unknown, as [`Draft::seen`] does.
    pub fn known_agent_seen(&mut self, agent: &AgentId) {
        if self.state.agent(agent).is_some_and(|known| !known.gone) {
            self.seen(agent, None);
        }
    }

    /// The soft facts, which change without an event.
    pub(crate) fn soft_mut(&mut self) -> &mut Soft {
        &mut self.state.soft
    }

    /// Lets every waiting claim be looked at again, as after a hold: a soft fact, not an event.
    pub(crate) fn open_all(&mut self) {
        self.state.derived.ready.open_all();
    }
}

impl Deref for Draft<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        self.state
    }
}
