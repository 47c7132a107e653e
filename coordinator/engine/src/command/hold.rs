//! Somebody places or lifts a hold.

use std::{sync::Arc, time::Duration};

use crate::{
    draft::Draft,
    event::Fact,
    id::AgentId,
    noun::hold::{Hold, HoldKind, Scope},
    rejection::Rejection,
    state::State,
};

/// A hold to place.
#[derive(Clone, Debug)]
pub struct PlaceHold {
    /// The tasks or agents that it covers.
    pub scope: Scope,
    /// The kind of hold.
    pub kind: Wanted,
    /// The person who asks.
    pub actor: Arc<str>,
    /// The reason.
    pub reason: Arc<str>,
}

/// The kind of hold to place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// See [`HoldKind::Pause`].
    Pause,
    /// See [`HoldKind::Drain`].
    Drain {
        /// The time for which running attempts may go on.
        timeout: Option<Duration>,
    },
    /// See [`HoldKind::Stop`].
    Stop,
}

/// A hold to lift.
#[derive(Clone, Debug)]
pub struct LiftHold {
    /// The tasks or agents that it covers.
    pub scope: Scope,
    /// The person who asks.
    pub actor: Arc<str>,
}

/// Places a hold, and answers with the hold in force: a stricter one stays.
///
/// # Errors
///
/// [`Rejection::AgentNotFound`] for an unknown agent, [`Rejection::Full`] for a queue without tasks when there are too
/// many holds and limits.
pub fn place(draft: &mut Draft<'_>, request: PlaceHold) -> Result<Arc<Hold>, Rejection> {
    check_scope(draft, &request.scope)?;
    let kind = match request.kind {
        Wanted::Pause => HoldKind::Pause,
        Wanted::Drain { timeout } => HoldKind::Drain {
            deadline: timeout.map(|timeout| draft.now() + timeout),
        },
        Wanted::Stop => HoldKind::Stop,
    };
    if let Some(known) = draft.hold(&request.scope)
        && (strictness(known.kind) > strictness(kind) || known.kind == kind)
    {
        return Ok(known.clone());
    }
    if let Scope::Queue(queue) = &request.scope
        && draft.hold(&request.scope).is_none()
    {
        draft.check_new_rule(queue)?;
    }
    let hold = Arc::new(Hold {
        scope: request.scope,
        kind,
        actor: request.actor,
        reason: request.reason,
        placed: draft.now(),
    });
    draft.emit(Fact::HoldPlaced(hold.clone()));
    Ok(hold)
}

/// Lifts the hold of a scope, and answers with that hold; `None` when there was none.
///
/// # Errors
///
/// [`Rejection::AgentNotFound`] for an unknown agent.
pub fn lift(draft: &mut Draft<'_>, request: LiftHold) -> Result<Option<Arc<Hold>>, Rejection> {
    let hold = draft.hold(&request.scope).cloned();
    match &hold {
        Some(hold) => draft.emit(Fact::HoldLifted {
            hold: hold.clone(),
            actor: request.actor,
        }),
        None => check_scope(draft, &request.scope)?,
    }
    Ok(hold)
}

/// The strictness of a kind. Two drains are equal, so a drain replaces another one and its deadline.
fn strictness(kind: HoldKind) -> u8 {
    match kind {
        HoldKind::Pause => 0,
        HoldKind::Drain { .. } => 1,
        HoldKind::Stop => 2,
    }
}

fn check_scope(state: &State, scope: &Scope) -> Result<(), Rejection> {
    match scope {
        Scope::Agent(agent) if state.agent(agent).is_none_or(|known| !known.is_expected()) => {
            Err(unknown(agent))
        }
        Scope::Everything | Scope::Queue(_) | Scope::Agent(_) => Ok(()),
    }
}

fn unknown(agent: &AgentId) -> Rejection {
    Rejection::AgentNotFound(agent.clone())
}
