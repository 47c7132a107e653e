//! An agent asks for work.

use std::{collections::BTreeSet, time::Duration};

use swarm_engine::{
    command::claim::Claim,
    id::{AgentId, LeaseToken, QueueName, Session},
    limits::{MAX_CLAIM_TASKS, MAX_SCAN, MAX_SHARDS},
    noun::needs::{Shard, Wants},
    rejection::{Faults, Rejection},
};
use swarm_proto::{
    limits::{MAX_CLAIM_QUEUES, MAX_REQUEST_ID_BYTES},
    v1,
};

use super::{Context, Refusal, granted};
use crate::{
    machine::random,
    wire::field::{Fields, unless_faulty},
};

/// Grants tasks, waiting for some as long as the agent asks for.
///
/// # Errors
///
/// When a field is faulty, the agent is not known, or the session is not its newest.
pub(crate) async fn claim(cx: &Context, request: v1::ClaimRequest) -> Result<v1::ClaimResponse, Refusal> {
    let (command, wait) = read(cx, request, "")?;
    let agent = command.agent.clone();
    let answer = cx.unless_stopped(cx.core.claim(command, wait)).await??;
    granted::response(cx, &agent, answer).await
}

/// Reads a claim, and how long it may wait. `place` is the claim's path in its request: empty, or `claim_next`.
/// A token is drawn for each task that it may be granted.
///
/// # Errors
///
/// [`Rejection::Invalid`] with every fault.
pub(super) fn read(
    cx: &Context,
    request: v1::ClaimRequest,
    place: &str,
) -> Result<(Claim, Duration), Rejection> {
    read_drawing(request, place, cx.settings.lease_ttl, random::token)
}

fn read_drawing(
    request: v1::ClaimRequest,
    place: &str,
    lease_ttl: Duration,
    draw: impl FnMut() -> LeaseToken,
) -> Result<(Claim, Duration), Rejection> {
    let mut faults = Faults::default();
    let mut fields = Fields::at(place, &mut faults);
    let agent = fields.name("agent_id", &request.agent_id, AgentId::parse);
    let tasks = (request.max_tasks as usize).max(1);
    if tasks > MAX_CLAIM_TASKS {
        fields.refuse(
            "max_tasks",
            format!("is {tasks}, at most {MAX_CLAIM_TASKS} are allowed"),
        );
    }
    let wait = fields.wait("wait", request.wait.as_ref());
    fields.count("queues", request.queues.len(), MAX_CLAIM_QUEUES);
    let mut queues = BTreeSet::new();
    for (index, queue) in request.queues.iter().enumerate().take(MAX_CLAIM_QUEUES) {
        queues.extend(fields.name(format_args!("queues[{index}]"), queue, QueueName::parse));
    }
    fields.text("request_id", &request.request_id, MAX_REQUEST_ID_BYTES);
    let shard = request.shard.and_then(|shard| read_shard(shard, &mut fields));
    if request.scan_limit > MAX_SCAN {
        let limit = request.scan_limit;
        fields.refuse(
            "scan_limit",
            format!("is {limit}, at most {MAX_SCAN} are allowed"),
        );
    }
    let agent = unless_faulty(agent, faults)?;
    let claim = Claim {
        agent,
        session: Session(request.session),
        wants: Wants {
            queues,
            shard,
            scan_limit: request.scan_limit,
        },
        request_id: request.request_id.into(),
        tokens: std::iter::repeat_with(draw).take(tasks).collect(),
        lease_ttl,
    };
    Ok((claim, wait))
}

fn read_shard(shard: v1::Shard, fields: &mut Fields<'_>) -> Option<Shard> {
    let count = u16::try_from(shard.count).unwrap_or(u16::MAX);
    if !(1..=MAX_SHARDS).contains(&count) {
        let fault = format!("is {}, it must be between 1 and {MAX_SHARDS}", shard.count);
        fields.refuse("shard.count", fault);
        return None;
    }
    let index = match shard.index {
        None => None,
        Some(index) if index < u32::from(count) => Some(index as u16),
        Some(index) => {
            let fault = format!("is {index}, the last one of {count} is {}", count - 1);
            fields.refuse("shard.index", fault);
            return None;
        }
    };
    Some(Shard { count, index })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_secs(90);

    fn paths<T>(answer: Result<T, Rejection>) -> Vec<String> {
        match answer {
            Ok(_) => Vec::new(),
            Err(Rejection::Invalid(faults)) => {
                faults.named().iter().map(|fault| fault.field.clone()).collect()
            }
            Err(other) => panic!("{other}"),
        }
    }

    fn seconds(seconds: i64) -> Option<prost_types::Duration> {
        Some(prost_types::Duration { seconds, nanos: 0 })
    }

    #[test]
    fn a_claim_draws_a_token_for_each_task_it_may_be_granted() {
        let request = |max_tasks| v1::ClaimRequest {
            agent_id: "k3x9".into(),
            max_tasks,
            ..Default::default()
        };
        for (max_tasks, tokens) in [(0, 1), (1, 1), (100, 100)] {
            let (claim, wait) = read_drawing(request(max_tasks), "", TTL, || LeaseToken([1; 16])).unwrap();
            assert_eq!((claim.tokens.len(), wait), (tokens, Duration::ZERO));
        }
    }

    #[test]
    fn a_claim_tells_all_its_faults_where_it_stands() {
        let request = v1::ClaimRequest {
            agent_id: String::new(),
            session: 1,
            max_tasks: 101,
            wait: seconds(31),
            queues: vec!["gpu".into(), "a b".into()],
            request_id: "r".repeat(65),
            shard: None,
            scan_limit: 0,
        };
        let faulty = read_drawing(request, "claim_next", TTL, || {
            panic!("no token is drawn for a faulty claim")
        });
        assert_eq!(
            paths(faulty),
            ["agent_id", "max_tasks", "wait", "queues[1]", "request_id"]
                .map(|field| format!("claim_next.{field}"))
        );
        let queues = vec!["gpu".to_owned(); MAX_CLAIM_QUEUES + 1];
        let many = v1::ClaimRequest {
            agent_id: "k3x9".into(),
            queues,
            ..Default::default()
        };
        assert_eq!(
            paths(read_drawing(many, "", TTL, || LeaseToken([1; 16]))),
            ["queues"]
        );
    }
}
