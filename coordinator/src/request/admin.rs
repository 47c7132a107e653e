//! Operators' side: `AdminService`.

use std::sync::Arc;

use swarm_engine::{
    command::hold::{Wanted, lift, place},
    noun::{hold::Hold, task::TaskState},
};
use swarm_proto::v1::{self, admin_service_server::AdminService};
use tonic::{Request, Response, Status};

use crate::{admission::Load, core::Answer, overview::Overview, usage::Usage};
use crate::{
    door::grpc::{Service, status::status_of},
    wire::{
        hold::{self, Named},
        seen::agent_counts,
        state::counts_message,
        time,
    },
};

#[tonic::async_trait]
impl AdminService for Service {
    async fn get_status(
        &self,
        _request: Request<v1::GetStatusRequest>,
    ) -> Result<Response<v1::GetStatusResponse>, Status> {
        let (happened, seconds) = self.core.last_minute();
        let answer = self.core.overview(self.settings.lease_ttl).await;
        let as_of = self.as_of(&answer);
        let durable = self.core.durable().borrow().0;
        let journal_lag = self.core.decided().0.saturating_sub(durable);
        let Overview {
            counts,
            agents,
            slots,
            jobs,
            oldest_queued,
            holds,
            unmatched,
            ..
        } = answer.value;
        Ok(Response::new(v1::GetStatusResponse {
            as_of,
            tasks: Some(counts_message(&counts)),
            agents: Some(agent_counts(agents)),
            slots,
            jobs: jobs as u64,
            oldest_queued_time: oldest_queued.map(time::timestamp),
            uptime: Some(time::duration(self.core.clock.uptime())),
            store_seq: self.core.store.applied_seq(),
            server_time: Some(time::timestamp(self.core.clock.now())),
            wall_clock_ahead_ms: self.core.clock.wall_ahead_ms(),
            holds: holds.iter().map(|held| hold::hold_message(held)).collect(),
            rates: Some(v1::Rates {
                submitted: happened.submitted as f64 / seconds,
                granted: happened.granted as f64 / seconds,
                succeeded: happened.succeeded as f64 / seconds,
                failed: happened.failed as f64 / seconds,
            }),
            journal_seq: answer.as_of.0,
            journal_lag,
            unmatched,
            process: Usage::now().map(|usage| v1::ProcessUsage {
                cpu_time: Some(time::duration(usage.cpu)),
                resident_bytes: usage.resident_bytes,
                peak_resident_bytes: usage.peak_resident_bytes,
            }),
            journal_bytes: self.core.journal.bytes(),
            // A figure for people: a file system that does not say is no reason to refuse the others.
            store_bytes: self.core.store.size_on_disk().unwrap_or_default(),
            free_bytes: self.core.store.free_bytes().ok(),
            disk_refuses_submits: !self.core.admission.has_space_for(Load::Submit),
            disk_refuses_claims: !self.core.admission.has_space_for(Load::Claim),
        }))
    }

    async fn get_server_info(
        &self,
        _request: Request<v1::GetServerInfoRequest>,
    ) -> Result<Response<v1::GetServerInfoResponse>, Status> {
        let answer = self.core.read(|state| state.identity().cloned()).await;
        let as_of = self.as_of(&answer);
        let (cluster_id, epoch) = answer
            .value
            .map(|identity| (identity.cluster_id.to_string(), identity.epoch))
            .unwrap_or_default();
        Ok(Response::new(v1::GetServerInfoResponse {
            as_of,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            cluster_id,
            epoch,
            lease_ttl: Some(time::duration(self.settings.lease_ttl)),
            default_timeout: Some(time::duration(self.settings.default_timeout)),
            default_retries: self.settings.default_retries,
            listen_address: self.settings.address.to_string(),
        }))
    }

    async fn pause(&self, request: Request<v1::PauseRequest>) -> Result<Response<v1::PauseResponse>, Status> {
        self.admit(Load::Other)?;
        let request = request.into_inner();
        let command = hold::place(request.scope.into(), Wanted::Pause, request.actor, request.reason)
            .map_err(|rejection| status_of(&rejection))?;
        let answer = self
            .core
            .execute(|draft| place(draft, command))
            .await
            .map_err(|rejection| status_of(&rejection))?;
        Ok(Response::new(v1::PauseResponse {
            as_of: self.as_of(&answer),
            hold: Some(hold::hold_message(&answer.value)),
        }))
    }

    async fn resume(
        &self,
        request: Request<v1::ResumeRequest>,
    ) -> Result<Response<v1::ResumeResponse>, Status> {
        let request = request.into_inner();
        let answer = self.lift(request.scope.into(), request.actor).await?;
        Ok(Response::new(v1::ResumeResponse {
            as_of: self.as_of(&answer),
            lifted: answer.value.as_deref().map(hold::hold_message),
        }))
    }

    async fn stop_all(
        &self,
        request: Request<v1::StopAllRequest>,
    ) -> Result<Response<v1::StopAllResponse>, Status> {
        let request = request.into_inner();
        let command = hold::place(Named::Everything, Wanted::Stop, request.actor, request.reason)
            .map_err(|rejection| status_of(&rejection))?;
        let answer = self
            .core
            .execute(|draft| {
                let leases = draft.counts().of(TaskState::Running);
                Ok((place(draft, command)?, leases))
            })
            .await
            .map_err(|rejection| status_of(&rejection))?;
        Ok(Response::new(v1::StopAllResponse {
            as_of: self.as_of(&answer),
            hold: Some(hold::hold_message(&answer.value.0)),
            leases: answer.value.1,
        }))
    }
}

impl Service {
    /// Lifts a hold.
    pub(crate) async fn lift(
        &self,
        named: Named,
        actor: String,
    ) -> Result<Answer<Option<Arc<Hold>>>, Status> {
        let command = hold::lift(named, actor).map_err(|rejection| status_of(&rejection))?;
        self.core
            .execute(|draft| lift(draft, command))
            .await
            .map_err(|rejection| status_of(&rejection))
    }
}
