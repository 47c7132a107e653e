//! The agents' side: `CoordinatorService`.

use std::{sync::Arc, time::Duration};

use prost::Message as _;
use swarm_engine::{
    command::{claim, complete, deregister, register, renew::Directive},
    id::{AgentId, TaskId},
    noun::task::Task,
    rejection::Rejection,
    state::State,
};
use swarm_proto::{
    limits::{MAX_HEARTBEAT_BYTES, MAX_ITEMS, MAX_WAIT, OUTPUT_TAIL_BYTES},
    v1::{self, coordinator_service_server::CoordinatorService},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::nothing::Nothing;
use crate::{
    admission::Load,
    core::{Answer, Core},
    limits::{CLAIM_OUTPUT_BYTES, HEARTBEATS_PER_TTL},
    random,
};
use crate::{
    door::grpc::{
        Service,
        status::{refusal_of, status_of, status_of_refused},
    },
    wire::{
        agent as convert,
        assignment::{DependencyEnd, assignment},
        field,
        hold::hold_message,
        lease::shown_again,
        report::reports,
        state::state_message,
        time::{duration, timestamp},
    },
};

/// The pause before the next heartbeat of an agent that has an order to carry out.
const ORDER_GAP: Duration = Duration::from_secs(1);

/// Records of dependencies looked up together: even the largest stay below what one look may bring.
const DEPENDENCIES_AT_ONCE: usize = 256;

#[tonic::async_trait]
impl CoordinatorService for Service {
    async fn register_agent(
        &self,
        request: Request<v1::RegisterAgentRequest>,
    ) -> Result<Response<v1::RegisterAgentResponse>, Status> {
        self.admit(Load::Other)?;
        let command = convert::register(request.into_inner(), self.settings.lease_ttl, random::number())
            .map_err(|rejection| status_of(&rejection))?;
        let answer = self
            .core
            .execute(|draft| {
                let registered = register::decide(draft, command)?;
                let cluster = draft.identity().map(|identity| identity.cluster_id.clone());
                Ok((registered, cluster))
            })
            .await
            .map_err(|rejection| status_of(&rejection))?;
        let as_of = self.as_of(&answer);
        let (registered, cluster) = answer.value;
        Ok(Response::new(v1::RegisterAgentResponse {
            as_of,
            cluster_id: cluster.map(|cluster| cluster.to_string()).unwrap_or_default(),
            session: registered.session.0,
            lease_ttl: Some(duration(self.settings.lease_ttl)),
            heartbeat_interval: Some(duration(self.heartbeat_interval())),
            lost: registered.lost.iter().map(shown_again).collect(),
        }))
    }

    async fn deregister_agent(
        &self,
        request: Request<v1::DeregisterAgentRequest>,
    ) -> Result<Response<v1::DeregisterAgentResponse>, Status> {
        self.admit(Load::Other)?;
        let command = convert::deregister(&request.into_inner(), random::number())
            .map_err(|rejection| status_of(&rejection))?;
        let answer = self
            .core
            .execute(|draft| deregister::decide(draft, command))
            .await
            .map_err(|rejection| status_of(&rejection))?;
        Ok(Response::new(v1::DeregisterAgentResponse {
            as_of: self.as_of(&answer),
        }))
    }

    async fn claim(&self, request: Request<v1::ClaimRequest>) -> Result<Response<v1::ClaimResponse>, Status> {
        self.admit(Load::Claim)?;
        let (command, wait) = self
            .claim_command(request.into_inner(), "")
            .map_err(|rejection| status_of(&rejection))?;
        let agent = command.agent.clone();
        let answer = self
            .unless_stopped(self.core.claim(command, wait))
            .await?
            .map_err(|rejection| status_of(&rejection))?;
        Ok(Response::new(self.claim_response(&agent, answer).await?))
    }

    async fn heartbeat(
        &self,
        request: Request<v1::HeartbeatRequest>,
    ) -> Result<Response<v1::HeartbeatResponse>, Status> {
        let request = request.into_inner();
        let bytes = request.encoded_len();
        if bytes > MAX_HEARTBEAT_BYTES {
            let fault = format!("has {bytes} bytes, at most {MAX_HEARTBEAT_BYTES} are allowed");
            return Err(crate::door::grpc::invalid("leases", fault));
        }
        let (command, wait) =
            convert::renew(&request, self.settings.lease_ttl).map_err(|rejection| status_of(&rejection))?;
        // A call that is parked for longer would let its own leases expire.
        let wait = wait.min(self.heartbeat_interval());
        let agent = command.agent.clone();
        let answer = self
            .unless_stopped(self.core.heartbeat(command, wait))
            .await?
            .map_err(|rejection| status_of(&rejection))?;
        let lease_ttl = self.settings.lease_ttl;
        let read = |state: &State| (state.hold_on(&agent).cloned(), state.trust_of(&agent, lease_ttl));
        let (hold, trust) = self.core.read(read).await.value;
        let interval = self.heartbeat_interval();
        let next = if answer.value.iter().all(Directive::is_continue) {
            // A parked call has used up the pause between two heartbeats.
            interval.saturating_sub(wait)
        } else {
            // An order is repeated until it is carried out, which takes its time.
            interval.min(ORDER_GAP)
        };
        Ok(Response::new(v1::HeartbeatResponse {
            as_of: self.as_of(&answer),
            directives: answer.value.iter().map(convert::directive_message).collect(),
            lease_ttl: Some(duration(trust)),
            next_heartbeat: Some(duration(next)),
            hold: hold.as_deref().map(hold_message),
        }))
    }

    async fn complete(
        &self,
        request: Request<v1::CompleteRequest>,
    ) -> Result<Response<v1::CompleteResponse>, Status> {
        self.admit(Load::Complete)?;
        let v1::CompleteRequest {
            agent_id,
            results,
            claim_next,
        } = request.into_inner();
        if results.len() > MAX_ITEMS {
            return Err(crate::door::grpc::invalid(
                "results",
                format!("has {} reports, at most {MAX_ITEMS} are allowed", results.len()),
            ));
        }
        let agent = field::agent_id("agent_id", &agent_id).map_err(|rejection| status_of(&rejection))?;
        let task_ids: Vec<String> = results
            .iter()
            .map(|result| {
                result
                    .lease
                    .as_ref()
                    .map(|lease| lease.task_id.clone())
                    .unwrap_or_default()
            })
            .collect();
        let reports = reports(results);
        let good: Vec<complete::Report> = reports
            .iter()
            .filter_map(|report| report.as_ref().ok())
            .cloned()
            .collect();
        let claimant = agent.clone();
        let named = good.iter().map(|report| report.proof.task.clone()).collect();
        let command = complete::Complete {
            agent,
            reports: good,
            jitter: random::number(),
        };
        let obstacle = self.obstacle(Load::Claim).filter(|_| claim_next.is_some());
        let claim_refusal = obstacle.map(crate::door::grpc::refusal);
        let claim = claim_next
            .filter(|_| obstacle.is_none())
            .map(|claim| self.claim_command(claim, "claim_next"));

        let answer = self
            .core
            .execute_naming(named, |draft| {
                let results = complete::decide(draft, command);
                let claimed = claim.map(|claim| claim.and_then(|(claim, _)| claim::decide(draft, claim)));
                Ok((results, claimed))
            })
            .await
            .map_err(|refused| status_of_refused(&refused))?;
        let as_of = answer.as_of;
        let (results, claimed) = answer.value;

        let mut accepted = results.into_iter();
        let results = task_ids
            .into_iter()
            .zip(reports)
            .map(|(task_id, report)| match report {
                Err(refusal) => refused(task_id, refusal),
                Ok(_) => match accepted.next() {
                    Some(Ok(accepted)) => v1::ReportResult {
                        task_id,
                        accepted: true,
                        already_completed: accepted.already_completed,
                        state: state_message(accepted.state).into(),
                        refusal: None,
                    },
                    Some(Err(rejection)) => refused(task_id, refusal_of(&rejection)),
                    None => unreachable!("the engine answers every report"),
                },
            })
            .collect();
        let mut response = v1::CompleteResponse {
            as_of: Some(self.position(as_of.0)),
            results,
            claimed: None,
            claim_refusal,
        };
        match claimed {
            None => {}
            Some(Ok(granted)) => {
                response.claimed = Some(
                    self.claim_response(
                        &claimant,
                        Answer {
                            value: granted,
                            as_of,
                        },
                    )
                    .await?,
                );
            }
            Some(Err(rejection)) => response.claim_refusal = Some(refusal_of(&rejection)),
        }
        Ok(Response::new(response))
    }

    type StreamEventsStream = ReceiverStream<Result<v1::Event, Status>>;

    async fn stream_events(
        &self,
        request: Request<v1::StreamEventsRequest>,
    ) -> Result<Response<Self::StreamEventsStream>, Status> {
        self.open_stream(request.into_inner()).map(Response::new)
    }
}

impl Service {
    fn heartbeat_interval(&self) -> Duration {
        (self.settings.lease_ttl / HEARTBEATS_PER_TTL).min(MAX_WAIT)
    }

    fn claim_command(
        &self,
        request: v1::ClaimRequest,
        place: &str,
    ) -> Result<(claim::Claim, Duration), Rejection> {
        convert::claim(request, place, self.settings.lease_ttl, random::token)
    }

    /// The granted tasks with what is to be done, and what their dependencies printed.
    async fn claim_response(
        &self,
        agent: &AgentId,
        answer: Answer<Vec<Arc<Task>>>,
    ) -> Result<v1::ClaimResponse, Status> {
        let as_of = self.as_of(&answer);
        let mut room = CLAIM_OUTPUT_BYTES;
        let mut assignments = Vec::with_capacity(answer.value.len());
        for task in &answer.value {
            let dependencies = self.dependency_ends(task, room).await;
            assignments.push(assignment(task, &dependencies, &mut room));
        }
        let now = self.core.clock.now();
        let (empty_reason, retry_after, passed) = if assignments.is_empty() {
            let Nothing {
                reason,
                retry_after,
                passed,
            } = self.nothing_for(agent).await;
            (reason, retry_after.map(duration), passed)
        } else {
            (v1::EmptyReason::Unspecified, None, Vec::new())
        };
        Ok(v1::ClaimResponse {
            as_of,
            assignments,
            empty_reason: empty_reason.into(),
            server_time: Some(timestamp(now)),
            retry_after,
            passed,
        })
    }

    /// How the dependencies of a task ended, and what they printed as far as it can fit into `room` bytes.
    async fn dependency_ends(&self, task: &Task, mut room: usize) -> Vec<DependencyEnd> {
        if task.dependencies.is_empty() {
            return Vec::new();
        }
        let ids: Vec<TaskId> = task.dependencies.iter().map(|each| each.task.clone()).collect();
        let mut ends = Vec::with_capacity(ids.len());
        for some in ids.chunks(DEPENDENCIES_AT_ONCE) {
            let known = match self.core.find(some).await {
                Ok(known) => known.value,
                Err(error) => {
                    // The agent hears so when it asks for the tasks; it can do everything else meanwhile.
                    tracing::error!(task_id = %task.id, %error, "cannot look up its dependencies");
                    continue;
                }
            };
            let core = Arc::clone(&self.core);
            let known: Vec<Arc<Task>> = some.iter().filter_map(|id| known.get(id).cloned()).collect();
            let read = tokio::task::spawn_blocking(move || {
                let mut left = room;
                let each = |dependency: &Arc<Task>| {
                    let end = dependency_end(&core, dependency, left);
                    left -= end.output.as_ref().map_or(0, |output| output.stdout.len());
                    end
                };
                (known.iter().map(each).collect::<Vec<_>>(), left)
            });
            if let Ok((read, left)) = read.await {
                ends.extend(read);
                room = left;
            }
        }
        ends
    }
}

/// How a dependency ended, with what it printed unless that is longer than `room` bytes.
fn dependency_end(core: &Core, dependency: &Task, room: usize) -> DependencyEnd {
    let reported = dependency.last_report();
    let fits =
        reported.is_none_or(|attempt| attempt.stdout_bytes.min(OUTPUT_TAIL_BYTES as u64) <= room as u64);
    let read = match reported {
        Some(attempt) if fits => core.outputs.get(dependency.number, attempt.number),
        _ => Ok(None),
    };
    if let Err(error) = &read {
        // The agent hears so when it asks for the task; it can do everything else meanwhile.
        tracing::error!(task_id = %dependency.id, error, "cannot read what the task printed");
    }
    DependencyEnd {
        task: dependency.id.clone(),
        state: dependency.state(),
        left_out: !fits || read.is_err(),
        output: read.unwrap_or_default(),
    }
}

fn refused(task_id: String, refusal: v1::Refusal) -> v1::ReportResult {
    v1::ReportResult {
        task_id,
        accepted: false,
        already_completed: false,
        state: v1::TaskState::Unspecified.into(),
        refusal: Some(refusal),
    }
}
