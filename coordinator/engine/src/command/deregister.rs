//! An agent says goodbye.

use crate::{
    command::expire::lose,
    dependency::settle,
    draft::Draft,
    event::Fact,
    id::{AgentId, Number, Session},
    rejection::Rejection,
    task::Loss,
};

/// Who leaves.
#[derive(Clone, Debug)]
pub struct Deregister {
    /// The agent.
    pub agent: AgentId,
    /// Its session.
    pub session: Session,
    /// A random number for the backoffs.
    pub jitter: u64,
}

/// Gives what the agent still holds to others at once, uncounted. A repeat changes nothing.
///
/// # Errors
///
/// [`Rejection::AgentReplaced`] when a newer session exists.
pub fn decide(draft: &mut Draft<'_>, request: Deregister) -> Result<(), Rejection> {
    let Deregister {
        agent,
        session,
        jitter,
    } = request;
    let Some(known) = draft.agent(&agent) else {
        return Err(Rejection::AgentNotFound(agent));
    };
    if session < known.session {
        return Err(Rejection::AgentReplaced(agent));
    }
    if known.gone {
        return Ok(());
    }
    let leased: Vec<Number> = draft.leased_to(&agent).map(|task| task.number).collect();
    for number in leased {
        lose(draft, number, Loss::Deregistered, jitter);
    }
    draft.emit(Fact::AgentDeregistered { agent });
    settle(draft);
    Ok(())
}
