//! Operators' side: `AdminService`.

use std::sync::Arc;

use swarm_proto::v1::{self, admin_service_server::AdminService};
use tonic::{Request, Response, Status};

use super::{
    Service,
    convert::{agent::agent_state, state::counts_message, time},
};
use crate::usage::Usage;

#[tonic::async_trait]
impl AdminService for Service {
    async fn get_status(
        &self,
        _request: Request<v1::GetStatusRequest>,
    ) -> Result<Response<v1::GetStatusResponse>, Status> {
        let answer = self
            .core
            .read(|state| {
                let agents: Vec<_> = state
                    .agents()
                    .filter(|agent| !agent.gone)
                    .map(|agent| (Arc::clone(agent), state.presence(&agent.id)))
                    .collect();
                let oldest = state
                    .ready()
                    .oldest()
                    .and_then(|number| state.task_numbered(number))
                    .map(|task| task.created);
                (state.counts(), agents, oldest, state.job_count())
            })
            .await;
        let as_of = self.as_of(&answer);
        let (counts, agents, oldest, jobs) = answer.value;
        let mut agent_counts = v1::AgentCounts::default();
        let mut slots = 0;
        let look = self.look();
        for (agent, presence) in &agents {
            match agent_state(agent, *presence, look) {
                v1::AgentState::Online => {
                    agent_counts.online += 1;
                    slots += u64::from(agent.slots);
                }
                v1::AgentState::Draining => agent_counts.draining += 1,
                v1::AgentState::Lost => agent_counts.lost += 1,
                v1::AgentState::Gone | v1::AgentState::Unspecified => {}
            }
        }
        Ok(Response::new(v1::GetStatusResponse {
            as_of,
            tasks: Some(counts_message(&counts)),
            agents: Some(agent_counts),
            slots,
            jobs: jobs as u64,
            oldest_queued_time: oldest.map(time::timestamp),
            uptime: Some(time::duration(self.core.clock.uptime())),
            store_seq: self.core.store.applied_seq(),
            server_time: Some(time::timestamp(self.core.clock.now())),
            wall_clock_ahead_ms: self.core.clock.wall_ahead_ms(),
            process: Usage::now().map(|usage| v1::ProcessUsage {
                cpu_time: Some(time::duration(usage.cpu)),
                resident_bytes: usage.resident_bytes,
                peak_resident_bytes: usage.peak_resident_bytes,
            }),
            journal_bytes: self.core.journal.bytes(),
            // A figure for people: a file system that does not say is no reason to refuse the others.
            store_bytes: self.core.store.size_on_disk().unwrap_or_default(),
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
}
