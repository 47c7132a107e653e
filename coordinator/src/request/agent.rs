//! People's side: `AgentService`.

use swarm_engine::{
    command::{hold as hold_command, hold::Wanted},
    noun::hold::Scope,
    rejection::Rejection,
    rule::fit::Liveness,
};
use swarm_proto::v1::{self, agent_service_server::AgentService};
use tonic::{Request, Response, Status};

use super::page;
use crate::admission::Load;
use crate::{
    door::grpc::{Service, status::status_of},
    wire::{
        field,
        hold::{self, Named},
        seen::{Seen, agent_message},
    },
};

#[tonic::async_trait]
impl AgentService for Service {
    async fn list_agents(
        &self,
        request: Request<v1::ListAgentsRequest>,
    ) -> Result<Response<v1::ListAgentsResponse>, Status> {
        let request = request.into_inner();
        let size = page::size(request.page_size);
        let selector =
            field::selector("labels", &request.labels).map_err(|rejection| status_of(&rejection))?;
        let liveness = self.liveness();
        let answer = self
            .core
            .read(|state| {
                state
                    .agents_after(&request.page_token)
                    .filter(|agent| request.include_gone || !agent.gone)
                    .filter(|agent| selector.matches(&agent.labels))
                    .take(size + 1)
                    .map(|agent| Seen::of(state, agent, liveness))
                    .collect::<Vec<Seen>>()
            })
            .await;
        let as_of = self.as_of(&answer);
        let mut agents = answer.value;
        let more = agents.len() > size;
        agents.truncate(size);
        let next = agents
            .last()
            .filter(|_| more)
            .map(|last| last.agent.id.to_string());
        let agents = agents.iter().map(|seen| self.agent_message(seen)).collect();
        let (agents, next_page_token) = page::fit(agents, next, |agent: &v1::Agent| agent.agent_id.clone());
        Ok(Response::new(v1::ListAgentsResponse {
            as_of,
            agents,
            next_page_token,
        }))
    }

    async fn get_agent(
        &self,
        request: Request<v1::GetAgentRequest>,
    ) -> Result<Response<v1::GetAgentResponse>, Status> {
        let id = field::agent_id("agent_id", &request.into_inner().agent_id)
            .map_err(|rejection| status_of(&rejection))?;
        let liveness = self.liveness();
        let answer = self
            .core
            .read(|state| state.agent(&id).map(|agent| Seen::of(state, agent, liveness)))
            .await;
        let as_of = self.as_of(&answer);
        let seen = answer
            .value
            .ok_or_else(|| status_of(&Rejection::AgentNotFound(id)))?;
        Ok(Response::new(v1::GetAgentResponse {
            as_of,
            agent: Some(self.agent_message(&seen)),
        }))
    }

    async fn drain_agent(
        &self,
        request: Request<v1::DrainAgentRequest>,
    ) -> Result<Response<v1::DrainAgentResponse>, Status> {
        self.admit(Load::Other)?;
        let request = request.into_inner();
        let command = hold::drain_timeout(request.timeout.as_ref()).and_then(|timeout| {
            hold::place(
                Named::Agent(request.agent_id),
                Wanted::Drain { timeout },
                request.actor,
                request.reason,
            )
        });
        let command = command.map_err(|rejection| status_of(&rejection))?;
        let answer = self
            .core
            .execute(|draft| {
                let leases = match &command.scope {
                    Scope::Agent(agent) => draft.leased_to(agent).count(),
                    Scope::Everything | Scope::Queue(_) => 0,
                };
                Ok((hold_command::place(draft, command)?, leases))
            })
            .await
            .map_err(|rejection| status_of(&rejection))?;
        Ok(Response::new(v1::DrainAgentResponse {
            as_of: self.as_of(&answer),
            hold: Some(hold::hold_message(&answer.value.0)),
            leases: u32::try_from(answer.value.1).unwrap_or(u32::MAX),
        }))
    }

    async fn undrain_agent(
        &self,
        request: Request<v1::UndrainAgentRequest>,
    ) -> Result<Response<v1::UndrainAgentResponse>, Status> {
        let request = request.into_inner();
        let answer = self.lift(Named::Agent(request.agent_id), request.actor).await?;
        Ok(Response::new(v1::UndrainAgentResponse {
            as_of: self.as_of(&answer),
            lifted: answer.value.as_deref().map(hold::hold_message),
        }))
    }
}

impl Service {
    fn agent_message(&self, seen: &Seen) -> v1::Agent {
        agent_message(seen, self.liveness())
    }

    /// How agents are looked at now.
    pub(crate) fn liveness(&self) -> Liveness {
        self.core.liveness(self.settings.lease_ttl)
    }
}
