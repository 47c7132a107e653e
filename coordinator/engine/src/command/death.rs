//! An agent's process has ended without a goodbye, and its guard says so.

use crate::{
    command::expire::lose,
    draft::Draft,
    event::Fact,
    id::{AgentId, Number, Session, SessionToken},
    noun::{agent::AgentLoss, outcome::Loss},
    rejection::Rejection,
    rule::dependency::settle,
};

/// The death of an agent's process.
#[derive(Clone, Debug)]
pub struct Death {
    /// The agent.
    pub agent: AgentId,
    /// The session of the dead process.
    pub session: Session,
    /// The token of that session; `None` when the caller sent no valid token.
    pub token: Option<SessionToken>,
    /// A random number for the backoffs.
    pub jitter: u64,
}

/// Ends the session and its leases at once, and answers with their number. The losses are counted like those of a
/// silent agent: a task that kills its agents is given up in the end. A repeat changes nothing.
///
/// # Errors
///
/// [`Rejection::AgentNotFound`] when the agent has no session, [`Rejection::AgentReplaced`] from an older session, and
/// [`Rejection::SessionUnproven`] without the token of the session.
pub fn decide(draft: &mut Draft<'_>, request: Death) -> Result<usize, Rejection> {
    let Death {
        agent,
        session,
        token,
        jitter,
    } = request;
    let Some(known) = draft.agent(&agent).filter(|known| session <= known.session) else {
        return Err(Rejection::AgentNotFound(agent));
    };
    if session < known.session {
        return Err(Rejection::AgentReplaced(agent));
    }
    if token.is_none() || token != known.token {
        return Err(Rejection::SessionUnproven(agent));
    }
    if known.gone {
        return Ok(0);
    }
    let leased: Vec<Number> = draft.leased_to(&agent).map(|task| task.number).collect();
    for number in &leased {
        lose(draft, *number, Loss::Died, jitter);
    }
    draft.emit(Fact::AgentLost {
        agent,
        cause: AgentLoss::Died,
    });
    settle(draft);
    Ok(leased.len())
}
