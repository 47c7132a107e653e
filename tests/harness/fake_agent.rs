//! An agent that does what a test says, call by call.

use std::time::Duration;

use swarm_proto::v1::{
    Assignment, AttemptReport, ClaimRequest, ClaimResponse, CompleteRequest, HeartbeatRequest,
    HeartbeatResponse, LeaseRef, Output, RegisterAgentRequest, ReportResult, Success,
    attempt_report::Outcome,
};
use tonic::Status;

use super::{
    client::{Client, duration},
    coordinator::Coordinator,
};

/// See the module.
pub(crate) struct FakeAgent {
    client: Client,
    agent_id: String,
    session: u64,
    claims: u32,
}

impl FakeAgent {
    /// Registers one with ten slots, holding nothing.
    pub(crate) fn register(coordinator: &Coordinator, agent_id: &str) -> FakeAgent {
        FakeAgent::register_holding(coordinator, agent_id, Vec::new())
    }

    /// Registers one that holds these leases.
    pub(crate) fn register_holding(
        coordinator: &Coordinator,
        agent_id: &str,
        held: Vec<LeaseRef>,
    ) -> FakeAgent {
        let client = coordinator.client();
        let request = RegisterAgentRequest {
            agent_id: agent_id.to_owned(),
            name: agent_id.to_owned(),
            slots: 10,
            version: "fake".to_owned(),
            held,
            ..Default::default()
        };
        let response = client
            .call(client.coordinator_service().register_agent(request))
            .unwrap()
            .into_inner();
        FakeAgent {
            client,
            agent_id: agent_id.to_owned(),
            session: response.session,
            claims: 0,
        }
    }

    /// Asks for one task, and waits for it for up to `wait`.
    pub(crate) fn claim(&mut self, wait: Duration) -> Result<Option<Assignment>, Status> {
        let request = self.claim_request(wait);
        let response = self
            .client
            .call(self.client.coordinator_service().claim(request))?;
        Ok(response.into_inner().assignments.pop())
    }

    /// The next claim's request, with a request id of its own.
    pub(crate) fn claim_request(&mut self, wait: Duration) -> ClaimRequest {
        self.claims += 1;
        ClaimRequest {
            agent_id: self.agent_id.clone(),
            session: self.session,
            max_tasks: 1,
            wait: Some(duration(wait)),
            request_id: format!("claim-{}", self.claims),
            ..Default::default()
        }
    }

    /// Renews leases; answered at once.
    pub(crate) fn heartbeat(&self, leases: Vec<LeaseRef>) -> Result<HeartbeatResponse, Status> {
        let request = HeartbeatRequest {
            agent_id: self.agent_id.clone(),
            session: self.session,
            leases,
            ..Default::default()
        };
        self.client
            .call(self.client.coordinator_service().heartbeat(request))
            .map(tonic::Response::into_inner)
    }

    /// Asks for up to this many tasks, and for an answer at once.
    pub(crate) fn claim_now(&mut self, max_tasks: u32) -> ClaimResponse {
        let request = ClaimRequest {
            max_tasks,
            ..self.claim_request(Duration::ZERO)
        };
        self.client
            .call(self.client.coordinator_service().claim(request))
            .unwrap()
            .into_inner()
    }

    /// Reports that an attempt succeeded and printed this.
    pub(crate) fn succeed(&self, lease: &LeaseRef, stdout: &str) -> ReportResult {
        self.report(vec![success(lease, stdout)]).remove(0)
    }

    /// Sends reports together; gives what became of each.
    pub(crate) fn report(&self, results: Vec<AttemptReport>) -> Vec<ReportResult> {
        let request = CompleteRequest {
            agent_id: self.agent_id.clone(),
            results,
            claim_next: None,
        };
        let response = self
            .client
            .call(self.client.coordinator_service().complete(request))
            .unwrap();
        response.into_inner().results
    }

    /// The connection of this agent.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }
}

/// The report of an attempt that succeeded and printed this.
pub(crate) fn success(lease: &LeaseRef, stdout: &str) -> AttemptReport {
    let output = Output {
        stdout: stdout.as_bytes().to_vec(),
        stdout_bytes: stdout.len() as u64,
        ..Default::default()
    };
    AttemptReport {
        lease: Some(lease.clone()),
        outcome: Some(Outcome::Success(Success {})),
        output: Some(output),
    }
}
