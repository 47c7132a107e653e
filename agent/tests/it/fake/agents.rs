//! The service of the fake for agents and their guards.

use std::time::Duration;

use swarm_proto::{
    reason::Reason,
    v1::{
        ClaimRequest, ClaimResponse, CompleteRequest, CompleteResponse, DeregisterAgentRequest,
        DeregisterAgentResponse, Directive, HeartbeatRequest, HeartbeatResponse, LeaseDirective, LeaseRef,
        Refusal, RegisterAgentRequest, RegisterAgentResponse, ReportDeathRequest, ReportDeathResponse,
        ReportResult, TaskState, coordinator_service_server::CoordinatorService,
    },
};
use tokio::time::{Instant, timeout_at};
use tonic::{Request, Response, Status};

use super::{Fake, cut, seconds};
use crate::program::carriers;

#[tonic::async_trait]
impl CoordinatorService for Fake {
    async fn register_agent(
        &self,
        request: Request<RegisterAgentRequest>,
    ) -> Result<Response<RegisterAgentResponse>, Status> {
        let answer = {
            let mut world = self.world();
            if world.away {
                return Err(cut());
            }
            if let Some(refusal) = &world.refuse_register {
                return Err(refusal.clone());
            }
            world.session += 1;
            world.forget_agent = false;
            let (request, session) = (request.into_inner(), world.session);
            world.sessions.insert(request.agent_id.clone(), session);
            world.registered.push(request);
            RegisterAgentResponse {
                session_token: vec![7; 16],
                cluster_id: world.cluster_id(),
                session,
                lease_ttl: world.lease_ttl(),
                heartbeat_interval: seconds(10),
                ..RegisterAgentResponse::default()
            }
        };
        self.until("registrations are answered", |world| {
            (!world.withholds_registrations).then_some(())
        })
        .await;
        Ok(Response::new(answer))
    }

    async fn deregister_agent(
        &self,
        _: Request<DeregisterAgentRequest>,
    ) -> Result<Response<DeregisterAgentResponse>, Status> {
        self.world().goodbyes += 1;
        Ok(Response::new(DeregisterAgentResponse::default()))
    }

    async fn report_death(
        &self,
        request: Request<ReportDeathRequest>,
    ) -> Result<Response<ReportDeathResponse>, Status> {
        let mut world = self.world();
        let left = world.watched_mark.as_deref().map(carriers).unwrap_or_default();
        world.deaths.push((request.into_inner(), left));
        Ok(Response::new(ReportDeathResponse::default()))
    }

    async fn claim(&self, request: Request<ClaimRequest>) -> Result<Response<ClaimResponse>, Status> {
        let request = request.into_inner();
        let is_hasty = {
            let mut world = self.world();
            world.claims.push(request.clone());
            world.claimed_at.push(Instant::now());
            world.hasty
        };
        let wait = request
            .wait
            .map_or(Duration::ZERO, |wait| Duration::try_from(wait).unwrap());
        let deadline = Instant::now() + wait;
        let mut changes = self.0.changed.subscribe();
        loop {
            changes.borrow_and_update();
            let lost = {
                let mut world = self.0.world.lock().unwrap();
                world.admit(&request.agent_id, request.session)?;
                let lost = !world.queue.is_empty() && world.lose_claims > 0;
                world.lose_claims -= usize::from(lost);
                lost
            };
            let is_empty = self.0.world.lock().unwrap().waits();
            let is_repeat = self
                .0
                .world
                .lock()
                .unwrap()
                .granted
                .contains_key(&request.request_id);
            if !is_empty || is_repeat || is_hasty {
                let answer = self.grant(&request);
                return if lost {
                    Err(Status::unknown("the answer was lost"))
                } else {
                    Ok(Response::new(answer))
                };
            }
            if timeout_at(deadline, changes.changed()).await.is_err() {
                return Ok(Response::new(self.grant(&request)));
            }
        }
    }

    async fn heartbeat(
        &self,
        request: Request<HeartbeatRequest>,
    ) -> Result<Response<HeartbeatResponse>, Status> {
        let request = request.into_inner();
        let hold_before = {
            let mut world = self.world();
            world.heartbeats.push(request.clone());
            world.hold.clone()
        };
        let wait = request
            .wait
            .map_or(Duration::ZERO, |wait| Duration::try_from(wait).unwrap());
        let deadline = Instant::now() + wait;
        let mut changes = self.0.changed.subscribe();
        loop {
            changes.borrow_and_update();
            let (orders, hold, lease_ttl, next_heartbeat) = {
                let world = self.0.world.lock().unwrap();
                world.admit(&request.agent_id, request.session)?;
                (
                    world.directives.clone(),
                    world.hold.clone(),
                    world.lease_ttl(),
                    seconds(world.next_heartbeat),
                )
            };
            let has_news = !orders.is_empty() || hold != hold_before;
            let ended = timeout_at(deadline, async {
                if !has_news {
                    changes.changed().await.unwrap()
                }
            })
            .await
            .is_err();
            if has_news || ended {
                let order = |lease: &LeaseRef| LeaseDirective {
                    task_id: lease.task_id.clone(),
                    attempt: lease.attempt,
                    directive: orders
                        .get(&lease.task_id)
                        .copied()
                        .unwrap_or(Directive::Continue)
                        .into(),
                };
                let directives = request.leases.iter().map(order).collect();
                return Ok(Response::new(HeartbeatResponse {
                    directives,
                    lease_ttl,
                    next_heartbeat,
                    hold,
                    ..HeartbeatResponse::default()
                }));
            }
        }
    }

    async fn complete(
        &self,
        request: Request<CompleteRequest>,
    ) -> Result<Response<CompleteResponse>, Status> {
        let request = request.into_inner();
        {
            let mut world = self.world();
            if world.away {
                return Err(cut());
            }
            world.completes.push(request.clone());
            if let Some(refusal) = world.refusals.pop_front() {
                return Err(refusal);
            }
        }
        for report in &request.results {
            self.requeue(report);
        }
        let claimed = request.claim_next.as_ref().map(|claim| self.grant(claim));
        let mut world = self.world();
        if world.lose_completes > 0 {
            world.lose_completes -= 1;
            return Err(Status::unknown("the answer was lost"));
        }
        let results = request
            .results
            .iter()
            .map(|report| {
                let task_id = report.lease.as_ref().unwrap().task_id.clone();
                let refusal = world.refused.contains(&task_id).then(|| Refusal {
                    reason: Reason::LeaseLost.as_str().to_owned(),
                    message: "somebody else has it".to_owned(),
                });
                ReportResult {
                    task_id,
                    accepted: refusal.is_none(),
                    state: TaskState::Succeeded.into(),
                    refusal,
                    ..ReportResult::default()
                }
            })
            .collect();
        Ok(Response::new(CompleteResponse {
            results,
            claimed,
            ..CompleteResponse::default()
        }))
    }
}
