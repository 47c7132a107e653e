//! An agent shows that it is there, and hears what it is to do with its leases.

use std::time::Duration;

use prost::Message as _;
use swarm_engine::{
    command::renew::{Directive, Order, Renew},
    id::{AgentId, Session},
    limits::MAX_HELD_LEASES,
    rejection::{Faults, Rejection},
    state::State,
};
use swarm_proto::{
    limits::{MAX_HEARTBEAT_BYTES, MAX_WAIT},
    v1,
};

use super::{Context, Refusal};
use crate::{
    core::witness::Missing,
    program::limits::HEARTBEATS_PER_TTL,
    wire::{
        field::{Fields, unless_faulty},
        hold::hold_message,
        lease::held,
        time::duration,
    },
};

/// The pause before the next heartbeat of an agent that has an order to carry out.
const ORDER_GAP: Duration = Duration::from_secs(1);

impl Context {
    /// The event at the position that an agent has seen, if the journal does not have it.
    pub(super) fn missing(&self, seen: Option<&v1::AsOf>) -> Option<Missing> {
        let v1::AsOf { history, seq } = seen?;
        self.core.missing(history, *seq)
    }

    /// How often an agent is to show that it is there.
    pub(super) fn heartbeat_interval(&self) -> Duration {
        (self.settings.lease_ttl / HEARTBEATS_PER_TTL).min(MAX_WAIT)
    }
}

/// Renews leases, holding the answer back until there is an order or the time that the agent asks for is over.
///
/// # Errors
///
/// When a field is faulty, the agent is not known, or the session is not its newest.
pub(crate) async fn heartbeat(
    cx: &Context,
    request: v1::HeartbeatRequest,
) -> Result<v1::HeartbeatResponse, Refusal> {
    let bytes = request.encoded_len();
    if bytes > MAX_HEARTBEAT_BYTES {
        let fault = format!("has {bytes} bytes, at most {MAX_HEARTBEAT_BYTES} are allowed");
        return Err(Refusal::invalid("leases", fault));
    }
    let (command, wait) = read(&request, cx.settings.lease_ttl)?;
    let missing = cx.missing(request.seen.as_ref());
    // Not kept while the call is parked.
    drop(request);
    let interval = cx.heartbeat_interval();
    // A call that is parked for longer would let its own leases expire.
    let wait = wait.min(interval);
    let agent = command.agent.clone();
    let answer = cx
        .unless_stopped(cx.core.heartbeat(command, wait, missing))
        .await??;
    let lease_ttl = cx.settings.lease_ttl;
    let hold_and_trust = |state: &State| (state.hold_on(&agent).cloned(), state.trust_of(&agent, lease_ttl));
    let (hold, trust) = cx.core.read(hold_and_trust).await.value;
    let next = if answer.value.iter().all(Directive::is_continue) {
        // A parked call has used up the pause between two heartbeats.
        interval.saturating_sub(wait)
    } else {
        // An order is repeated until it is carried out, which takes its time.
        interval.min(ORDER_GAP)
    };
    Ok(v1::HeartbeatResponse {
        as_of: cx.as_of(&answer),
        directives: answer.value.iter().map(directive_message).collect(),
        lease_ttl: Some(duration(trust)),
        next_heartbeat: Some(duration(next)),
        hold: hold.as_deref().map(hold_message),
    })
}

/// Reads a heartbeat, and how long its answer may be held back.
///
/// # Errors
///
/// [`Rejection::Invalid`] with every fault.
fn read(request: &v1::HeartbeatRequest, lease_ttl: Duration) -> Result<(Renew, Duration), Rejection> {
    let mut faults = Faults::default();
    let mut fields = Fields::of_request(&mut faults);
    let agent = fields.name("agent_id", &request.agent_id, AgentId::parse);
    fields.count("leases", request.leases.len(), MAX_HELD_LEASES);
    let wait = fields.wait("wait", request.wait.as_ref());
    let agent = unless_faulty(agent, faults)?;
    let renew = Renew {
        agent,
        session: Session(request.session),
        leases: request.leases.iter().map(held).collect(),
        lease_ttl,
        draining: request.draining,
    };
    Ok((renew, wait))
}

/// What an agent is to do with one lease.
fn directive_message(directive: &Directive) -> v1::LeaseDirective {
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
    fn a_heartbeat_may_list_leases_that_cannot_exist() {
        let lease = v1::LeaseRef {
            task_id: "../x".into(),
            attempt: 1,
            lease_token: vec![1, 2],
            run_time: None,
        };
        let request = v1::HeartbeatRequest {
            agent_id: "k3x9".into(),
            leases: vec![lease],
            wait: seconds(30),
            ..Default::default()
        };
        let (renew, wait) = read(&request, TTL).unwrap();
        assert_eq!(
            (renew.leases[0].proof.token, wait),
            (None, Duration::from_secs(30))
        );
        let leases = vec![v1::LeaseRef::default(); MAX_HELD_LEASES + 1];
        let bad = v1::HeartbeatRequest {
            leases,
            wait: seconds(-1),
            ..Default::default()
        };
        assert_eq!(paths(read(&bad, TTL)), ["agent_id", "leases", "wait"]);
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
