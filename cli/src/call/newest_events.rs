//! The newest events of a filter, found from the end of the journal backwards.

use std::collections::VecDeque;

use swarm_proto::{
    call::CallFailure,
    reason::Reason,
    v1::{AsOf, Event, GetStatusRequest, StreamEventsRequest},
};

use super::{client::Client, follow::Follower};

/// Events that are looked at first for each wanted one, when a filter passes some over.
const FIRST_LOOK: u64 = 32;

/// How much further back each next look begins. All looks together read little more than the last one.
const FURTHER: u64 = 16;

/// The newest events that a request filters, at most this many, in their order; and the seq up to which the journal was
/// searched for them, from where on a stream has the others.
///
/// # Errors
///
/// When the coordinator refuses, or stays away for too long.
pub(crate) async fn find(
    client: &Client,
    request: &StreamEventsRequest,
    wanted: usize,
) -> Result<(VecDeque<Event>, u64), Box<CallFailure>> {
    let status = client.call(GetStatusRequest {}).await?;
    let AsOf {
        history: _,
        seq: last,
    } = status.as_of.unwrap_or_default();
    let takes_all = request.task_ids.is_empty()
        && request.job_ids.is_empty()
        && request.agent_ids.is_empty()
        && request.kinds.is_empty();
    let each = if takes_all { 1 } else { FIRST_LOOK };
    let mut look = (wanted as u64).saturating_mul(each);
    loop {
        let from = (last + 1).saturating_sub(look);
        let (found, is_all) = match since(client, request, from, wanted).await {
            // Events before that are no longer kept.
            Err(failure) if failure.reason() == Some(Reason::EventsTrimmed) => {
                (since(client, request, 0, wanted).await?, true)
            }
            found => (found?, from <= 1),
        };
        if is_all || found.len() >= wanted {
            let searched = found.back().map_or(last, |event| event.seq.max(last));
            return Ok((found, searched));
        }
        look = look.saturating_mul(FURTHER);
    }
}

/// The newest of the events from a position on.
async fn since(
    client: &Client,
    request: &StreamEventsRequest,
    from: u64,
    wanted: usize,
) -> Result<VecDeque<Event>, Box<CallFailure>> {
    let request = StreamEventsRequest {
        from_seq: Some(from),
        follow: false,
        limit: 0,
        ..request.clone()
    };
    let mut newest = VecDeque::new();
    let mut follower = Follower::open(client, request).await?;
    while let Some(event) = follower.next().await? {
        if event.kind.is_empty() {
            continue;
        }
        if newest.len() == wanted {
            newest.pop_front();
        }
        newest.push_back(event);
    }
    Ok(newest)
}
