//! An agent renews its leases.

use std::time::Duration;

use crate::{
    command::claim::check_session,
    draft::Draft,
    event::{Fact, Subject},
    id::{AgentId, AttemptNumber, Session, TaskId},
    limits::MAX_HELD_LEASES,
    noun::{attempt::Attempt, lease::Held, outcome::Loss},
    rejection::Rejection,
    state::State,
    time::Timestamp,
};

/// Leases to renew.
#[derive(Clone, Debug)]
pub struct Renew {
    /// The agent.
    pub agent: AgentId,
    /// Its session.
    pub session: Session,
    /// Every lease that it works on.
    pub leases: Vec<Held>,
    /// The length of the leases from now on.
    pub lease_ttl: Duration,
    /// It finishes its attempts and claims nothing more.
    pub draining: bool,
}

/// An order about a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directive {
    /// The task.
    pub task: TaskId,
    /// The attempt.
    pub attempt: AttemptNumber,
    /// The order.
    pub order: Order,
}

impl Directive {
    /// Whether the order is to go on.
    pub fn is_continue(&self) -> bool {
        self.order == Order::Continue
    }
}

/// An order about an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Go on.
    Continue,
    /// End it and report it as cancelled.
    Cancel,
    /// End it and give it back.
    Release,
    /// End it at once: another agent may be given the task.
    Lost,
}

/// Renews the listed leases, and resumes an expired one when nothing has happened to its task since. Answers with a
/// directive for each listed lease, in their order, then for each other lease whose cancel was asked.
///
/// # Errors
///
/// [`Rejection::AgentNotFound`] before a registration, [`Rejection::AgentReplaced`] from an older session.
pub fn decide(draft: &mut Draft<'_>, request: &Renew) -> Result<Vec<Directive>, Rejection> {
    check_session(draft, &request.agent, request.session)?;
    draft.seen(&request.agent, Some(request.draining));
    for held in &request.leases {
        continue_lease(draft, &request.agent, held, request.lease_ttl);
    }
    let now = draft.now();
    directives(draft, request, now)
}

/// The directives of this moment, without a renewal: a parked call asks for them again when there is an order.
///
/// # Errors
///
/// As [`decide`].
pub fn directives(state: &State, request: &Renew, now: Timestamp) -> Result<Vec<Directive>, Rejection> {
    check_session(state, &request.agent, request.session)?;
    let gives_back = state.gives_back_at(&request.agent).is_some_and(|at| at <= now);
    let mut directives: Vec<Directive> = request
        .leases
        .iter()
        .map(|Held { proof, ran: _ }| {
            let task = state.task(&proof.task);
            let lease = task
                .and_then(|task| Some((task.number, task.lease()?)))
                .filter(|(_, lease)| lease.is_proven_by(&request.agent, proof));
            let order = match lease {
                Some((number, _)) if !state.is_renewable(number, now) => Order::Lost,
                Some((_, lease)) if lease.cancel_asked => Order::Cancel,
                Some(_) if gives_back => Order::Release,
                Some(_) => Order::Continue,
                None => Order::Lost,
            };
            Directive {
                task: proof.task.clone(),
                attempt: proof.attempt,
                order,
            }
        })
        .collect();
    for task in state.leased_to(&request.agent) {
        if let Some(lease) = task.lease().filter(|lease| lease.cancel_asked) {
            let listed = request.leases.iter().any(|held| held.proof.task == task.id);
            if !listed {
                directives.push(Directive {
                    task: task.id.clone(),
                    attempt: lease.attempt,
                    order: Order::Cancel,
                });
            }
        }
    }
    Ok(directives)
}

/// Renews a lease, or resumes an expired one when nothing has happened to its task since. False when the agent has lost
/// the lease, or its durable end is too near.
pub(crate) fn continue_lease(draft: &mut Draft<'_>, agent: &AgentId, held: &Held, ttl: Duration) -> bool {
    let Held { proof, ran } = held;
    let Some(task) = draft.task(&proof.task).cloned() else {
        return false;
    };
    if task.lease().is_some_and(|lease| lease.is_proven_by(agent, proof)) {
        return draft.renew(task.number, ttl, *ran);
    }
    let now = draft.now();
    let has_time = |lost: &Attempt| now + lost.ttl <= draft.end_if_resumed(task.number, lost, *ran, now);
    let resumable = task
        .untouched_loss()
        .is_some_and(|(lost, loss)| {
            // A person's word that the machine is gone outweighs the machine's own.
            loss != Loss::GivenUp && lost.is_proven_by(agent, proof) && has_time(lost)
        })
        // Meanwhile another task of its group may run, or its queue may have reached its limit.
        && !draft.is_at_limit(task.queue())
        && task.needs.group.as_ref().is_none_or(|group| draft.ready().holder(group).is_none())
        && draft.leased_to(agent).count() < MAX_HELD_LEASES;
    if resumable {
        draft.emit(Fact::LeaseResumed {
            task: Subject::of(&task),
            attempt: proof.attempt,
            agent: agent.clone(),
        });
        draft.renew(task.number, ttl, *ran);
    }
    resumable
}
