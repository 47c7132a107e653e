//! People's side: `AgentService`.

use std::sync::Arc;

use swarm_engine::{
    agent::Agent,
    rejection::Rejection,
    state::{Presence, State},
    task::Task,
    time::Timestamp,
};
use swarm_proto::v1::{self, agent_service_server::AgentService};
use tonic::{Request, Response, Status};

use super::{
    Service,
    convert::{agent as convert, field},
    page,
    status::status_of,
};

/// An agent, and what is known of it at this moment.
struct Seen {
    agent: Arc<Agent>,
    presence: Option<Presence>,
    leases: Vec<(Arc<Task>, Option<Timestamp>)>,
}

impl Seen {
    fn of(state: &State, agent: &Arc<Agent>) -> Seen {
        let leases = state
            .leased_to(&agent.id)
            .map(|task| (task.clone(), state.expiry(task.number)))
            .collect();
        Seen {
            agent: agent.clone(),
            presence: state.presence(&agent.id),
            leases,
        }
    }
}

#[tonic::async_trait]
impl AgentService for Service {
    async fn list_agents(
        &self,
        request: Request<v1::ListAgentsRequest>,
    ) -> Result<Response<v1::ListAgentsResponse>, Status> {
        let request = request.into_inner();
        let size = page::size(request.page_size);
        let answer = self
            .core
            .read(|state| {
                state
                    .agents_after(&request.page_token)
                    .filter(|agent| request.include_gone || !agent.gone)
                    .take(size + 1)
                    .map(|agent| Seen::of(state, agent))
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
        let answer = self
            .core
            .read(|state| state.agent(&id).map(|agent| Seen::of(state, agent)))
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
        _: Request<v1::DrainAgentRequest>,
    ) -> Result<Response<v1::DrainAgentResponse>, Status> {
        Err(Status::unimplemented("not served"))
    }

    async fn undrain_agent(
        &self,
        _: Request<v1::UndrainAgentRequest>,
    ) -> Result<Response<v1::UndrainAgentResponse>, Status> {
        Err(Status::unimplemented("not served"))
    }
}

impl Service {
    fn agent_message(&self, seen: &Seen) -> v1::Agent {
        let leases = seen.leases.iter().map(|(task, expiry)| (task.as_ref(), *expiry));
        convert::agent_message(&seen.agent, seen.presence, leases, self.look())
    }

    /// How agents are looked at now.
    pub(super) fn look(&self) -> convert::Look {
        let clock = &self.core.clock;
        convert::Look {
            now: clock.now(),
            started: clock.started(),
            lease_ttl: self.settings.lease_ttl,
        }
    }
}
