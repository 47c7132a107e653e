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
    id::{AgentId, Session},
    noun::{agent::Agent, lease::Proof, needs::Executor, outcome::Loss, task::Task},
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
    /// The version of its program.
    pub version: Arc<str>,
    /// Every lease that it works on, or whose outcome is unconfirmed.
    pub held: Vec<Proof>,
    /// The length of leases.
    pub lease_ttl: Duration,
    /// A random number for the backoffs.
    pub jitter: u64,
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
/// # Errors
///
/// None; the type is that of every decision.
pub fn decide(draft: &mut Draft<'_>, request: Register) -> Result<Registered, Rejection> {
    let Register {
        agent,
        name,
        labels,
        slots,
        executors,
        version,
        held,
        lease_ttl,
        jitter,
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
        version,
        session,
        registered: draft.now(),
        gone: false,
        changed: draft.now(),
    })));
    draft.seen(&agent, Some(false));

    let leased: Vec<Arc<Task>> = draft.leased_to(&agent).cloned().collect();
    for task in leased {
        let listed = held.iter().any(|proof| {
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
        .filter(|proof| !continue_lease(draft, &agent, proof, lease_ttl))
        .collect();
    settle(draft);
    Ok(Registered { session, lost })
}
