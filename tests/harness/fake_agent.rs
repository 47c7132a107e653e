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
        let registered = FakeAgent::register_with(coordinator, agent_id, |request| request.held = held);
        registered.unwrap()
    }

    /// Registers one after a change to what it says of itself.
    pub(crate) fn register_with(
        coordinator: &Coordinator,
        agent_id: &str,
        change: impl FnOnce(&mut RegisterAgentRequest),
    ) -> Result<FakeAgent, Status> {
        let mut agent = FakeAgent {
            client: coordinator.client(),
            agent_id: agent_id.to_owned(),
            session: 0,
            claims: 0,
        };
        agent.register_again(change)?;
        Ok(agent)
    }

    /// Registers it, over the connection it has; the session is a new one.
    pub(crate) fn register_again(
        &mut self,
        change: impl FnOnce(&mut RegisterAgentRequest),
    ) -> Result<(), Status> {
        let mut request = RegisterAgentRequest {
            agent_id: self.agent_id.clone(),
            name: self.agent_id.clone(),
            slots: 10,
            version: "fake".to_owned(),
            ..Default::default()
        };
        change(&mut request);
        let mut service = self.client.coordinator_service();
        let response = self.client.call(service.register_agent(request))?;
        self.session = response.into_inner().session;
        Ok(())
    }

    /// Its session: each registration has a higher one.
    pub(crate) fn session(&self) -> u64 {
        self.session
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
        self.try_claim_now(max_tasks).unwrap()
    }

    /// The same, which may be refused.
    pub(crate) fn try_claim_now(&mut self, max_tasks: u32) -> Result<ClaimResponse, Status> {
        let request = ClaimRequest {
            max_tasks,
            ..self.claim_request(Duration::ZERO)
        };
        self.client
            .call(self.client.coordinator_service().claim(request))
            .map(tonic::Response::into_inner)
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
