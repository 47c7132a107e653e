//! A guard says that its agent's process has died.

use swarm_engine::{
    command::death::{self, Death},
    id::{Session, SessionToken},
};
use swarm_proto::v1;

use super::{Context, Refusal};
use crate::{machine::random, wire::field};

/// Ends the session of a dead process: what it held is given to others at once.
///
/// # Errors
///
/// When the session is not the agent's newest, or the caller does not have its token.
pub(crate) async fn report(
    cx: &Context,
    request: v1::ReportDeathRequest,
) -> Result<v1::ReportDeathResponse, Refusal> {
    let command = Death {
        agent: field::agent_id("agent_id", &request.agent_id)?,
        session: Session(request.session),
        token: request.session_token.as_slice().try_into().ok().map(SessionToken),
        jitter: random::number(),
    };
    let answer = cx.core.execute(|draft| death::decide(draft, command)).await?;
    Ok(v1::ReportDeathResponse {
        as_of: cx.as_of(&answer),
        leases: u32::try_from(answer.value).unwrap_or(u32::MAX),
    })
}
