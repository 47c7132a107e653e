//! An agent says goodbye.

use crate::{
    command::{claim::check_session, expire::lose},
    draft::Draft,
    event::Fact,
    id::{AgentId, Number, Session},
    noun::outcome::Loss,
    rejection::Rejection,
    rule::dependency::settle,
};

/// An agent that leaves.
#[derive(Clone, Debug)]
pub struct Deregister {
    /// The agent.
    pub agent: AgentId,
    /// Its session.
    pub session: Session,
    /// A random number for the backoffs.
    pub jitter: u64,
}

/// Ends the leases of the agent at once, so that others can be given its tasks. These losses are not counted. A repeat
/// changes nothing.
///
/// # Errors
///
/// [`Rejection::AgentNotFound`] before a registration, [`Rejection::AgentReplaced`] from an older session.
pub fn decide(draft: &mut Draft<'_>, request: Deregister) -> Result<(), Rejection> {
    let Deregister {
        agent,
        session,
        jitter,
    } = request;
    if draft
        .agent(&agent)
        .is_some_and(|known| known.gone && known.session == session)
    {
        return Ok(());
    }
    check_session(draft, &agent, session)?;
    let leased: Vec<Number> = draft.leased_to(&agent).map(|task| task.number).collect();
    for number in leased {
        lose(draft, number, Loss::Deregistered, jitter);
    }
    draft.emit(Fact::AgentDeregistered { agent });
    settle(draft);
    Ok(())
}
