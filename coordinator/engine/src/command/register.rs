//! An agent opens a session.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use crate::{
    command::{expire::lose, renew::continue_lease},
    draft::Draft,
    event::Fact,
    id::{AgentId, Session, SessionToken},
    noun::{
        agent::Agent,
        lease::{Held, Proof},
        needs::Executor,
        outcome::Loss,
        process::Process,
        rules::Rules,
        task::Task,
    },
    rejection::Rejection,
    rule::dependency::settle,
};

/// An agent's registration.
#[derive(Clone, Debug)]
pub struct Register {
    /// Its id.
    pub agent: AgentId,
    /// Its name, for people.
    pub name: Arc<str>,
    /// Labels that its owner gave it.
    pub labels: BTreeMap<String, String>,
    /// Attempts that it runs at a time.
    pub slots: u32,
    /// The kinds of tasks that it can carry out.
    pub executors: BTreeSet<Executor>,
    /// The commands that its owner lets it run.
    pub rules: Rules,
    /// The version of its program.
    pub version: Arc<str>,
    /// Every lease that it works on, or whose outcome is unconfirmed.
    pub held: Vec<Held>,
    /// The length of leases.
    pub lease_ttl: Duration,
    /// A random number for the backoffs.
    pub jitter: u64,
    /// A random token for the session.
    pub token: SessionToken,
    /// Where its process runs; `None` when it does not say.
    pub process: Option<Process>,
}

/// The session that the registration begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// Its number.
    pub session: Session,
    /// The held leases that the agent has lost.
    pub lost: Vec<Proof>,
}

/// Begins a session and ends the older one. Leases that the agent does not list are lost at once, because two copies of
/// one identity cannot both work. These losses are not counted.
///
/// While the process of the older session is alive, a process at another place is refused with
/// [`Rejection::AgentElsewhere`]: the first one goes on. That answer is the inner result, for the refusal is an event.
///
/// # Errors
///
/// None; the type is that of every decision.
pub fn decide(draft: &mut Draft<'_>, request: Register) -> Result<Result<Registered, Rejection>, Rejection> {
    if let Some(elsewhere) = alive_elsewhere(draft, &request) {
        note_twin(draft, &request);
        return Ok(Err(elsewhere));
    }
    let Register {
        agent,
        name,
        labels,
        slots,
        executors,
        rules,
        version,
        held,
        lease_ttl,
        jitter,
        token,
        process,
    } = request;
    // The first session of an agent is newer than those that it had before it was removed, as each began with an event.
    let session = match draft.agent(&agent) {
        Some(known) => Session(known.session.0 + 1),
        None => Session(draft.seq().next().0),
    };
    draft.emit(Fact::AgentRegistered(Arc::new(Agent {
        id: agent.clone(),
        name,
        labels,
        slots,
        executors,
        rules,
        version,
        session,
        history: draft.history(),
        token: Some(token),
        registered: draft.now(),
        gone: false,
        lost: None,
        changed: draft.now(),
        process,
        twin: None,
    })));
    draft.seen(&agent, Some(false));

    let leased: Vec<Arc<Task>> = draft.leased_to(&agent).cloned().collect();
    for task in leased {
        let listed = held.iter().any(|Held { proof, ran: _ }| {
            proof.task == task.id
                && task
                    .lease()
                    .is_some_and(|lease| lease.is_proven_by(&agent, proof))
        });
        if !listed {
            lose(draft, task.number, Loss::Replaced, jitter);
        }
    }
    let lost = held
        .into_iter()
        .filter(|held| !continue_lease(draft, &agent, held, lease_ttl))
        .map(|held| held.proof)
        .collect();
    settle(draft);
    Ok(Ok(Registered { session, lost }))
}

/// The refusal when the process of the agent's session may be alive, and runs at another place than the one that asks.
/// A process that does not say where it runs cannot be told from another one.
fn alive_elsewhere(state: &Draft<'_>, request: &Register) -> Option<Rejection> {
    let known = state.agent(&request.agent).filter(|known| !known.gone)?;
    let (first, second) = (known.process.as_ref()?, request.process.as_ref()?);
    if second.proves_the_end_of(first) {
        return None;
    }
    let rest = (state.heard(&request.agent) + request.lease_ttl) - state.now();
    (!rest.is_zero()).then(|| Rejection::AgentElsewhere {
        agent: request.agent.clone(),
        host: first.host.clone(),
        refused: second.host.clone(),
        rest,
    })
}

/// Notes the refusal, at most once within a TTL: a refused process may be started again and again.
fn note_twin(draft: &mut Draft<'_>, request: &Register) {
    let before = draft.agent(&request.agent).and_then(|known| known.twin.as_ref());
    // A refusal that is still to come is by a clock that was set back since.
    let is_told = before.is_some_and(|twin| {
        let (now, refused) = (draft.now(), twin.refused);
        refused <= now && now < refused + request.lease_ttl
    });
    if let Some(process) = request.process.as_ref().filter(|_| !is_told) {
        draft.emit(Fact::TwinRefused {
            agent: request.agent.clone(),
            host: process.host.clone(),
        });
    }
}
