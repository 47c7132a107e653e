//! Agents' requests as they come in, and the orders that go back.

use std::{collections::BTreeSet, time::Duration};

use swarm_engine::{
    command::{
        claim::Claim,
        deregister::Deregister,
        register::Register,
        renew::{Directive, Order, Renew},
    },
    id::{AgentId, LeaseToken, QueueName, Session},
    limits::{MAX_CLAIM_TASKS, MAX_HELD_LEASES, MAX_SCAN, MAX_SHARDS},
    noun::needs::{Executor, Shard, Wants},
    rejection::{Faults, Rejection},
};
use swarm_proto::{
    limits::{MAX_CLAIM_QUEUES, MAX_EXECUTORS, MAX_NAME_BYTES, MAX_REQUEST_ID_BYTES, MAX_SLOTS, MAX_WAIT},
    v1,
};

use super::{
    field::{Fields, agent_id, unless_faulty},
    lease::proof,
    time::describe,
};

/// Reads a registration.
///
/// # Errors
///
/// [`Rejection::Invalid`] with every fault.
pub(crate) fn register(
    request: v1::RegisterAgentRequest,
    lease_ttl: Duration,
    jitter: u64,
) -> Result<Register, Rejection> {
    let mut faults = Faults::default();
    let mut fields = Fields::of_request(&mut faults);
    let agent = fields.name("agent_id", &request.agent_id, AgentId::parse);
    fields.text("name", &request.name, MAX_NAME_BYTES);
    fields.pairs("labels", &request.labels);
    if !(1..=MAX_SLOTS).contains(&request.slots) {
        fields.refuse(
            "slots",
            format!("is {}, it must be between 1 and {MAX_SLOTS}", request.slots),
        );
    }
    fields.text("version", &request.version, MAX_NAME_BYTES);
    fields.count("executors", request.executors.len(), MAX_EXECUTORS);
    fields.count("held", request.held.len(), MAX_HELD_LEASES);
    let agent = unless_faulty(agent, faults)?;
    Ok(Register {
        agent,
        name: request.name.into(),
        labels: request.labels,
        slots: request.slots,
        // Those that only newer coordinators know are of no use to this one.
        executors: match request.executors.as_slice() {
            [] => [Executor::Command].into(),
            named => named.iter().filter_map(|name| Executor::named(name)).collect(),
        },
        version: request.version.into(),
        held: request.held.iter().map(proof).collect(),
        lease_ttl,
        jitter,
    })
}

/// Reads a goodbye.
///
/// # Errors
///
/// [`Rejection::Invalid`].
pub(crate) fn deregister(request: &v1::DeregisterAgentRequest, jitter: u64) -> Result<Deregister, Rejection> {
    let agent = agent_id("agent_id", &request.agent_id)?;
    Ok(Deregister {
        agent,
        session: Session(request.session),
        jitter,
    })
}

/// Reads a claim, and how long it may wait. `place` is the claim's path in its request: empty, or `claim_next`.
/// A token is drawn for each task that it may be granted.
///
/// # Errors
///
/// [`Rejection::Invalid`] with every fault.
pub(crate) fn claim(
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
    let wait = read_wait(request.wait.as_ref(), &mut fields);
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

/// Reads a heartbeat, and how long its answer may be held back.
///
/// # Errors
///
/// [`Rejection::Invalid`] with every fault.
pub(crate) fn renew(
    request: &v1::HeartbeatRequest,
    lease_ttl: Duration,
) -> Result<(Renew, Duration), Rejection> {
    let mut faults = Faults::default();
    let mut fields = Fields::of_request(&mut faults);
    let agent = fields.name("agent_id", &request.agent_id, AgentId::parse);
    fields.count("leases", request.leases.len(), MAX_HELD_LEASES);
    let wait = read_wait(request.wait.as_ref(), &mut fields);
    let agent = unless_faulty(agent, faults)?;
    let renew = Renew {
        agent,
        session: Session(request.session),
        leases: request.leases.iter().map(proof).collect(),
        lease_ttl,
        draining: request.draining,
    };
    Ok((renew, wait))
}

/// What an agent is to do with one lease.
pub(crate) fn directive_message(directive: &Directive) -> v1::LeaseDirective {
    v1::LeaseDirective {
        task_id: directive.task.to_string(),
        attempt: directive.attempt.0,
        directive: match directive.order {
            Order::Continue => v1::Directive::Continue,
            Order::Cancel => v1::Directive::Cancel,
            Order::Release => v1::Directive::Release,
            Order::Lost => v1::Directive::Lost,
        }
        .into(),
    }
}

fn read_wait(wait: Option<&prost_types::Duration>, fields: &mut Fields<'_>) -> Duration {
    let wait = fields.duration("wait", wait).unwrap_or(Duration::ZERO);
    if wait > MAX_WAIT {
        fields.refuse(
            "wait",
            format!(
                "is {}, at most {} are allowed",
                describe(wait),
                describe(MAX_WAIT)
            ),
        );
    }
    wait
}

#[cfg(test)]
mod tests {
    use swarm_engine::id::{AttemptNumber, TaskId};

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
    fn a_registration_tells_all_its_faults() {
        let good = v1::RegisterAgentRequest {
            agent_id: "k3x9".into(),
            slots: 2,
            ..Default::default()
        };
        assert!(register(good.clone(), TTL, 7).is_ok());
        let bad = v1::RegisterAgentRequest {
            agent_id: "a b".into(),
            name: "n".repeat(201),
            labels: [(String::new(), String::new())].into(),
            slots: 0,
            version: "v".repeat(201),
            held: vec![v1::LeaseRef::default(); MAX_HELD_LEASES + 1],
            executors: Vec::new(),
        };
        let expected = ["agent_id", "name", "labels", "slots", "version", "held"];
        assert_eq!(paths(register(bad, TTL, 7)), expected);
        assert_eq!(
            paths(register(v1::RegisterAgentRequest { slots: 1001, ..good }, TTL, 7)),
            ["slots"]
        );
    }

    #[test]
    fn a_claim_draws_a_token_for_each_task_it_may_be_granted() {
        let request = |max_tasks| v1::ClaimRequest {
            agent_id: "k3x9".into(),
            max_tasks,
            ..Default::default()
        };
        for (max_tasks, tokens) in [(0, 1), (1, 1), (100, 100)] {
            let (claim, wait) = claim(request(max_tasks), "", TTL, || LeaseToken([1; 16])).unwrap();
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
        let faulty = claim(request, "claim_next", TTL, || {
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
        assert_eq!(paths(claim(many, "", TTL, || LeaseToken([1; 16]))), ["queues"]);
    }

    #[test]
    fn a_heartbeat_may_list_leases_that_cannot_exist() {
        let lease = v1::LeaseRef {
            task_id: "../x".into(),
            attempt: 1,
            lease_token: vec![1, 2],
        };
        let request = v1::HeartbeatRequest {
            agent_id: "k3x9".into(),
            leases: vec![lease],
            wait: seconds(30),
            ..Default::default()
        };
        let (read, wait) = renew(&request, TTL).unwrap();
        assert_eq!((read.leases[0].token, wait), (None, Duration::from_secs(30)));
        let leases = vec![v1::LeaseRef::default(); MAX_HELD_LEASES + 1];
        let bad = v1::HeartbeatRequest {
            leases,
            wait: seconds(-1),
            ..Default::default()
        };
        assert_eq!(paths(renew(&bad, TTL)), ["agent_id", "leases", "wait"]);
        assert_eq!(
            paths(deregister(&v1::DeregisterAgentRequest::default(), 7)),
            ["agent_id"]
        );
    }

    #[test]
    fn each_order_has_its_directive() {
        for (order, expected) in [
            (Order::Continue, v1::Directive::Continue),
            (Order::Cancel, v1::Directive::Cancel),
            (Order::Lost, v1::Directive::Lost),
        ] {
            let directive = Directive {
                task: TaskId::stored("t"),
                attempt: AttemptNumber(3),
                order,
            };
            let message = directive_message(&directive);
            assert_eq!((message.directive(), message.attempt), (expected, 3));
        }
    }
}
