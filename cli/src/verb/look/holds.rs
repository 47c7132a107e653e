//! Holds with the names of their agents.

use swarm_proto::v1::{GetStatusRequest, Hold, hold::Scope};

use crate::{
    call::{client::Client, names},
    output::hold::{Scope as HoldScope, sentence},
    program::terminal::note,
};

/// At most this many holds are told after a resume; `status` has all.
const MAX_TOLD: usize = 5;

/// The holds with agents' names in place of their ids, which are for commands.
pub(crate) async fn by_name(client: &Client, holds: &[Hold]) -> Vec<Hold> {
    let mut named = holds.to_vec();
    if !holds
        .iter()
        .any(|hold| matches!(hold.scope, Some(Scope::AgentId(_))))
    {
        return named;
    }
    let names = names::of_agents(client).await;
    for hold in &mut named {
        if let Some(Scope::AgentId(id)) = &mut hold.scope {
            *id = names.agent(id).into_owned();
        }
    }
    named
}

/// A hold with the name of its agent in place of the id.
pub(crate) async fn one_by_name(client: &Client, hold: &Hold) -> Hold {
    let named = by_name(client, std::slice::from_ref(hold)).await;
    named.into_iter().next().unwrap_or_default()
}

/// A scope with the name of its agent in place of the id.
pub(crate) async fn scope_by_name(client: &Client, scope: &HoldScope) -> HoldScope {
    let hold = Hold {
        scope: scope.on_wire(Scope::Queue, Scope::AgentId),
        ..Hold::default()
    };
    HoldScope::of(&one_by_name(client, &hold).await)
}

/// Tells the remaining holds, so that nobody waits in vain after a resume.
pub(crate) async fn tell_others(client: &Client) {
    // The hold is lifted; a failure of this extra question is not worth a word.
    let Ok(status) = client.call(GetStatusRequest {}).await else {
        return;
    };
    let told = &status.holds[..status.holds.len().min(MAX_TOLD)];
    for hold in by_name(client, told).await {
        note(format!("still: {}", sentence(&hold)));
    }
    let more = (status.holds.len() - told.len()) as u64 + status.more_holds;
    if more > 0 {
        note(format!("and {more} more; see: {}", client.next("status")));
    }
}
