//! Somebody forgets an agent, because its machine is gone.

use std::sync::Arc;

use crate::{
    command::expire::lose,
    draft::Draft,
    event::Fact,
    id::{AgentId, Number},
    noun::outcome::Loss,
    rejection::Rejection,
    rule::dependency::settle,
};

/// An agent to forget.
#[derive(Clone, Debug)]
pub struct Forget {
    /// The agent.
    pub agent: AgentId,
    /// The person who asks, as the calling program said.
    pub actor: Arc<str>,
    /// A random number for the backoffs.
    pub jitter: u64,
}

/// Ends all leases of an agent at once, and answers with their number. These losses are not counted. The agent is gone
/// until it registers again. A repeat changes nothing.
///
/// # Errors
///
/// [`Rejection::AgentNotFound`] when no agent has this id.
pub fn decide(draft: &mut Draft<'_>, request: Forget) -> Result<usize, Rejection> {
    let Forget { agent, actor, jitter } = request;
    match draft.agent(&agent) {
        None => return Err(Rejection::AgentNotFound(agent)),
        Some(known) if !known.is_expected() => return Ok(0),
        Some(_) => {}
    }
    let leased: Vec<Number> = draft.leased_to(&agent).map(|task| task.number).collect();
    for number in &leased {
        lose(draft, *number, Loss::GivenUp, jitter);
    }
    draft.emit(Fact::AgentForgotten { agent, actor });
    settle(draft);
    Ok(leased.len())
}
