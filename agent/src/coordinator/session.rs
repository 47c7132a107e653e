//! The registration of this agent with one coordinator, and the calls that need it.
//!
//! When the coordinator does not know the agent, the agent registers again. A newer session of the same agent id
//! means that another process has the same identity.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use prost::Message as _;
use swarm_proto::{
    call::CallFailure,
    duration::{read_duration, write_duration},
    limits::{MAX_HEARTBEAT_BYTES, MAX_HELD_LEASES},
    reason::Reason,
    v1::{
        AgentProcess, ClaimRequest, ClaimResponse, DeregisterAgentRequest, HeartbeatRequest,
        HeartbeatResponse, Hold, LeaseRef, OwnerRules, RegisterAgentRequest, ReportDeathRequest,
    },
};
use tokio::sync::{Notify, watch};
use tonic::Code;

use super::{CallError, Coordinator, last_words::LastWords, leases::Leases, order::Order, sentence};
use crate::attempt_key::AttemptKey;

/// Bytes of the leases in a heartbeat; the rest is for its other fields.
const MAX_LISTED_BYTES: usize = MAX_HEARTBEAT_BYTES - 16 * 1024;
/// For a coordinator that names none.
const FALLBACK_LEASE_TTL: Duration = Duration::from_secs(90);
const FALLBACK_HEARTBEAT_INTERVAL: Duration = Duration::from_secs(30);
/// The longest duration that is taken from the coordinator: clocks cannot count for ever.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

/// The agent as it describes itself in a registration.
#[derive(Clone, Debug)]
pub(crate) struct Profile {
    pub(crate) agent_id: String,
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) slots: u32,
    /// The kinds of work that the agent carries out.
    pub(crate) executors: Vec<String>,
    /// What its owner lets it run.
    pub(crate) rules: OwnerRules,
    /// Where this process runs; `None` on a system that does not say.
    pub(crate) process: Option<AgentProcess>,
}

/// Why the session with a coordinator ends.
#[derive(Clone, Debug)]
pub(crate) enum SessionEnd {
    /// Another process has registered with the same agent id.
    Replaced(String),
    /// Another process with the same agent id is at work.
    Elsewhere {
        /// The coordinator's sentence, which names both machines.
        sentence: String,
        /// For how long the other one has to stay silent until this one may take its place.
        rest: Duration,
    },
    /// Another coordinator, with this cluster id, answers in place of our own.
    OtherCluster(String),
    /// The coordinator refuses a request of this agent for good.
    Refused {
        /// The reason, for people.
        sentence: String,
        /// The request itself was invalid, so the flags are at fault.
        invalid: bool,
    },
}

/// The terms of a registration.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Registration {
    /// The session's number, which goes with every claim and heartbeat.
    pub(crate) session: u64,
    /// How long a lease lasts.
    pub(crate) lease_ttl: Duration,
    /// The time between heartbeats.
    pub(crate) heartbeat_interval: Duration,
}

/// A registered agent.
pub(crate) struct Session {
    pub(crate) coordinator: Arc<Coordinator>,
    pub(crate) leases: Arc<Leases>,
    /// The hold on this agent or on everything, from the last heartbeat.
    pub(crate) hold: watch::Sender<Option<Hold>>,
    /// Asks for a heartbeat now, in place of the parked one.
    pub(crate) beat_now: Notify,
    profile: Profile,
    /// What the guard says when this process dies.
    last_words: LastWords,
    cluster_id: String,
    current: Mutex<Registration>,
    /// Held while registering. A second caller waits, and finds the agent registered.
    registering: tokio::sync::Mutex<()>,
}

impl Session {
    /// Registers with the coordinator of this cluster, and lists the leases that are held already.
    pub(crate) async fn open(
        coordinator: Arc<Coordinator>,
        leases: Arc<Leases>,
        profile: Profile,
        last_words: LastWords,
        cluster_id: String,
    ) -> Result<Session, SessionEnd> {
        let registration = register(&coordinator, &leases, &profile, &last_words, &cluster_id).await?;
        Ok(Session {
            coordinator,
            leases,
            hold: watch::channel(None).0,
            beat_now: Notify::new(),
            profile,
            last_words,
            cluster_id,
            current: Mutex::new(registration),
            registering: tokio::sync::Mutex::default(),
        })
    }

    /// The registration in force.
    pub(crate) fn registration(&self) -> Registration {
        *self
            .current
            .lock()
            .expect("nothing panics while it reads a registration")
    }

    /// The agent's id.
    pub(crate) fn agent_id(&self) -> &str {
        &self.profile.agent_id
    }

    /// Asks for work in the current session.
    pub(crate) async fn claim(
        &self,
        request: ClaimRequest,
        wait: Duration,
    ) -> Result<ClaimResponse, SessionEnd> {
        let mut request = request;
        loop {
            request.session = self.registration().session;
            match self.coordinator.claim(&request, wait).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => self.settle(request.session, &failure).await?,
            }
        }
    }

    /// Renews all leases once; the answer may be held back for `wait`. `None` when no answer came: the next heartbeat
    /// renews the leases again.
    pub(crate) async fn heartbeat(
        &self,
        draining: bool,
        wait: Duration,
    ) -> Result<Option<HeartbeatResponse>, SessionEnd> {
        let session = self.registration().session;
        let request = HeartbeatRequest {
            agent_id: self.profile.agent_id.clone(),
            session,
            leases: listed(&self.leases),
            wait: write_duration(wait),
            draining,
            seen: self.coordinator.seen(),
        };
        match self.coordinator.heartbeat_once(request, wait).await {
            Ok(answer) => Ok(Some(answer)),
            Err(CallError::OtherCluster(_) | CallError::Failed(CallFailure::Lost { .. })) => Ok(None),
            Err(CallError::Failed(failure)) if failure.is_transient() => Ok(None),
            Err(CallError::Failed(failure)) => self.settle(session, &failure).await.map(|()| None),
        }
    }

    /// Deregisters the agent.
    pub(crate) async fn close(&self) -> Result<(), CallError> {
        let request = DeregisterAgentRequest {
            agent_id: self.profile.agent_id.clone(),
            session: self.registration().session,
        };
        self.coordinator.deregister(&request).await
    }

    /// Registers again after a refusal, if a new session helps against it.
    async fn settle(&self, session: u64, failure: &CallFailure) -> Result<(), SessionEnd> {
        let _one_at_a_time = self.registering.lock().await;
        if self.registration().session != session {
            // The refused request belongs to an older session of our own.
            return Ok(());
        }
        match failure.reason() {
            Some(Reason::AgentNotFound) => {
                tracing::info!("the coordinator does not know this agent; registering again");
                let registered = register(
                    &self.coordinator,
                    &self.leases,
                    &self.profile,
                    &self.last_words,
                    &self.cluster_id,
                );
                match registered.await {
                    Ok(registration) => {
                        *self
                            .current
                            .lock()
                            .expect("nothing panics while it sets a registration") = registration;
                        Ok(())
                    }
                    // The leases belong to our own coordinator. The next call waits for it.
                    Err(SessionEnd::OtherCluster(_)) => Ok(()),
                    Err(end) => Err(end),
                }
            }
            Some(Reason::AgentReplaced) => Err(SessionEnd::Replaced(failure.message().to_owned())),
            // A token can be renewed. The caller pauses between its tries.
            _ if matches!(
                failure,
                CallFailure::Refused {
                    code: Code::Unauthenticated,
                    ..
                }
            ) =>
            {
                Ok(())
            }
            _ => Err(refused(failure)),
        }
    }
}

async fn register(
    coordinator: &Coordinator,
    leases: &Leases,
    profile: &Profile,
    last_words: &LastWords,
    cluster_id: &str,
) -> Result<Registration, SessionEnd> {
    let request = RegisterAgentRequest {
        agent_id: profile.agent_id.clone(),
        name: profile.name.clone(),
        labels: profile.labels.clone(),
        slots: profile.slots,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        held: listed(leases),
        executors: profile.executors.clone(),
        rules: Some(profile.rules.clone()),
        process: profile.process.clone(),
        seen: coordinator.seen(),
    };
    let answer = match coordinator.register(&request).await {
        Ok(answer) => answer,
        Err(CallError::OtherCluster(found)) => return Err(SessionEnd::OtherCluster(found)),
        Err(CallError::Failed(failure)) => return Err(refused(&failure)),
    };
    if answer.cluster_id != cluster_id {
        return Err(SessionEnd::OtherCluster(answer.cluster_id));
    }
    last_words.set(ReportDeathRequest {
        agent_id: profile.agent_id.clone(),
        session: answer.session,
        session_token: answer.session_token.clone(),
    });
    for lease in &answer.lost {
        let key = AttemptKey::of(lease);
        if leases.order(&key, Order::Lost).is_some() {
            tracing::warn!(
                task_id = key.task_id,
                attempt = key.attempt,
                "the lease was lost; ending the attempt"
            );
        }
    }
    let duration = |given: Option<prost_types::Duration>, fallback| {
        read_length(given)
            .filter(|given| !given.is_zero())
            .unwrap_or(fallback)
    };
    let registration = Registration {
        session: answer.session,
        lease_ttl: duration(answer.lease_ttl, FALLBACK_LEASE_TTL),
        heartbeat_interval: duration(answer.heartbeat_interval, FALLBACK_HEARTBEAT_INTERVAL),
    };
    coordinator.set_lease_ttl(registration.lease_ttl);
    Ok(registration)
}

/// A duration from the coordinator; `None` when it makes no sense.
pub(crate) fn read_length(given: Option<prost_types::Duration>) -> Option<Duration> {
    Some(read_duration(&given?)?.min(LONGEST))
}

fn refused(failure: &CallFailure) -> SessionEnd {
    if failure.reason() == Some(Reason::AgentElsewhere)
        && let CallFailure::Refused { retry_after, .. } = failure
    {
        return SessionEnd::Elsewhere {
            sentence: failure.message().to_owned(),
            rest: retry_after.unwrap_or(FALLBACK_LEASE_TTL).min(LONGEST),
        };
    }
    let invalid = matches!(
        failure,
        CallFailure::Refused {
            code: Code::InvalidArgument,
            ..
        }
    );
    SessionEnd::Refused {
        sentence: sentence(failure),
        invalid,
    }
}

/// As many leases as a message may list.
fn listed(held: &Leases) -> Vec<LeaseRef> {
    let mut leases = held.listed(MAX_HELD_LEASES);
    let mut bytes = 0;
    let fitting = leases.iter().take_while(|lease| {
        // The tag and the length of a lease take at most four bytes more.
        bytes += lease.encoded_len() + 4;
        bytes <= MAX_LISTED_BYTES
    });
    let count = fitting.count();
    leases.truncate(count);
    leases
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_length_that_a_coordinator_names_is_too_strange() {
        let read = |seconds, nanos| read_length(Some(prost_types::Duration { seconds, nanos }));
        assert_eq!(read(90, 0), Some(Duration::from_secs(90)));
        assert_eq!(read(i64::MAX, 0), Some(LONGEST));
        assert_eq!(
            (read(i64::MIN, 0), read(0, -1), read_length(None)),
            (None, None, None)
        );
    }
}
