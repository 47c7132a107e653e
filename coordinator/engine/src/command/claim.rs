//! An agent asks for work.

use std::{sync::Arc, time::Duration};

use crate::{
    dependency::settle,
    draft::Draft,
    event::{Fact, Subject},
    id::{AgentId, AttemptNumber, LeaseToken, Session},
    lease::Lease,
    limits::{END_AFTER_TTLS, MAX_CLAIM_SPEC_BYTES, MAX_HELD_LEASES},
    rejection::Rejection,
    schedule::Wants,
    state::State,
    task::{Task, TaskState},
};

/// What the agent asks for.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The agent.
    pub agent: AgentId,
    /// Its session.
    pub session: Session,
    /// What it would take.
    pub wants: Wants,
    /// Made anew for each claim; a repeat with the same one returns the same leases.
    pub request_id: Arc<str>,
    /// A fresh random token for each task that it would take: so many at most are granted.
    pub tokens: Vec<LeaseToken>,
    /// How long the leases last.
    pub lease_ttl: Duration,
}

/// Grants leases: highest priority first, then the oldest.
///
/// The answer is the granted tasks, each with its lease; none when nothing is queued, or when the agent's
/// machine failed what it was given last ([`State::slowed_until`]).
///
/// # Errors
///
/// [`Rejection::AgentNotFound`] before a registration, [`Rejection::AgentReplaced`] from an older session.
pub fn decide(draft: &mut Draft<'_>, request: Claim) -> Result<Vec<Arc<Task>>, Rejection> {
    check_session(draft, &request.agent, request.session)?;
    draft.seen(&request.agent, None);
    let granted = granted_before(draft, &request);
    if !granted.is_empty() {
        // The agent counts the lease from this call on.
        for task in &granted {
            draft.extend(task.number, request.lease_ttl);
        }
        return Ok(granted);
    }
    if draft.slowed_until(&request.agent, draft.now()).is_some() {
        return Ok(Vec::new());
    }
    let granted = grant(draft, &request);
    settle(draft);
    Ok(granted)
}

/// The live leases that an earlier call with the same request id was given: its answer was lost.
fn granted_before(state: &State, request: &Claim) -> Vec<Arc<Task>> {
    if request.request_id.is_empty() {
        return Vec::new();
    }
    state
        .leased_to(&request.agent)
        .filter(|task| {
            task.lease()
                .is_some_and(|lease| lease.request_id == request.request_id)
        })
        .cloned()
        .collect()
}

fn grant(draft: &mut Draft<'_>, request: &Claim) -> Vec<Arc<Task>> {
    let now = draft.now();
    let mut granted = Vec::new();
    let mut spec_bytes = 0;
    let room = MAX_HELD_LEASES.saturating_sub(draft.leased_to(&request.agent).count());
    let mut tokens = request.tokens.iter().take(room);
    let mut overdue = 0;
    while let Some(number) = draft.ready().first(&request.wants) {
        let task = draft.tasks[&number].clone();
        if task.times.deadline.is_some_and(|deadline| deadline <= now) {
            if overdue == request.tokens.len() {
                break;
            }
            overdue += 1;
            draft.emit(Fact::TaskFailed {
                task: Subject::of(&task),
                reason: "its deadline has passed".into(),
            });
            continue;
        }
        spec_bytes += task.spec.len();
        if spec_bytes > MAX_CLAIM_SPEC_BYTES && !granted.is_empty() {
            break;
        }
        let Some(token) = tokens.next() else { break };
        debug_assert_eq!(task.state(), TaskState::Queued);
        draft.emit(Fact::LeaseGranted {
            task: Subject::of(&task),
            lease: Lease {
                attempt: AttemptNumber(task.attempt_count.0 + 1),
                agent: request.agent.clone(),
                token: *token,
                request_id: request.request_id.clone(),
                granted: now,
                ttl: request.lease_ttl,
                ends_by: now + task.time_limit(now) + request.lease_ttl * END_AFTER_TTLS,
                cancel_asked: false,
            },
        });
        granted.push(draft.tasks[&number].clone());
    }
    granted
}

/// Refuses callers that have no session, or an older one.
pub(crate) fn check_session(state: &State, agent: &AgentId, session: Session) -> Result<(), Rejection> {
    match state.agent(agent) {
        Some(known) if session < known.session => Err(Rejection::AgentReplaced(agent.clone())),
        Some(known) if session == known.session && !known.gone => Ok(()),
        _ => Err(Rejection::AgentNotFound(agent.clone())),
    }
}
