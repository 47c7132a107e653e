//! The phase that claims and completes tasks: each request reports the tasks of the previous claim, and claims the
//! next.

use std::{cell::Cell, rc::Rc, time::Duration};

use swarm_program::{exit::Exit, failure::Failure};
use swarm_proto::{
    limits::MAX_CLAIM_TASKS,
    reason::Reason,
    v1::{
        Assignment, AttemptReport, ClaimResponse, CompleteRequest, CompleteResponse, Refusal, Success,
        attempt_report::Outcome, coordinator_service_client::CoordinatorServiceClient,
    },
};
use tonic::transport::Channel;

use super::{
    agents::{Agent, Agents},
    load::Load,
    meter::Meter,
    phase::Phases,
    target::Target,
    workers::to_their_answers,
};
use crate::program::terminal::note;

/// Tasks in one request of this phase, for a batch of submits.
pub(super) fn per_request(batch: u32) -> usize {
    batch.min(MAX_CLAIM_TASKS) as usize
}

/// The workers' common state.
struct Drain {
    target: Rc<Target>,
    meter: Rc<Meter>,
    /// Tasks that no worker has claimed yet.
    wanted: Cell<usize>,
    per_request: usize,
}

/// Claims and completes tasks with registered agents.
///
/// # Errors
///
/// When the coordinator refuses, or stays away for too long.
pub(super) async fn drain(phases: &Phases, agents: &Agents, load: Load, tasks: u64) -> anyhow::Result<()> {
    let drain = Rc::new(Drain {
        target: Rc::clone(phases.target()),
        meter: phases.begin("drain", tasks).await?,
        wanted: Cell::new(usize::try_from(tasks).unwrap_or(usize::MAX)),
        per_request: per_request(load.batch),
    });
    let agents = agents.all();
    let workers = (0..load.in_flight).map(|worker| {
        let (drain, agent) = (Rc::clone(&drain), Rc::clone(&agents[worker % agents.len()]));
        async move { drain.work(&agent, worker).await }
    });
    let drained = to_their_answers(phases.target(), workers).await;
    phases.end().await;
    if drained.is_ok() && drain.wanted.get() > 0 && !drain.target.is_stopping() {
        note(format!(
            "{} tasks were taken by somebody else",
            drain.wanted.get()
        ));
    }
    drained
}

impl Drain {
    /// Works until all tasks are claimed, or the queue is empty.
    async fn work(&self, agent: &Agent, worker: usize) -> anyhow::Result<()> {
        let mut service = self.target.coordinator(worker);
        loop {
            let asked = self.take();
            if asked == 0 {
                return Ok(());
            }
            let claim = agent.claim(&self.target, asked, Duration::ZERO);
            let send = async || service.claim(claim.clone()).await;
            let doing = "cannot claim tasks";
            let answer = self.target.call(&self.meter, doing, Duration::ZERO, send).await?;
            let mut held = self.granted(asked, Some(answer));
            if held.is_empty() {
                return Ok(());
            }
            while !held.is_empty() {
                held = self.complete(&mut service, agent, &held).await?;
            }
        }
    }

    /// Completes the held tasks, and claims the next.
    async fn complete(
        &self,
        service: &mut CoordinatorServiceClient<Channel>,
        agent: &Agent,
        held: &[Assignment],
    ) -> anyhow::Result<Vec<Assignment>> {
        let asked = self.take();
        let next = (asked > 0).then(|| agent.claim(&self.target, asked, Duration::ZERO));
        let send = async || {
            let request = CompleteRequest {
                agent_id: agent.id.clone(),
                results: held.iter().map(succeeded).collect(),
                claim_next: next.clone(),
            };
            service.complete(request).await
        };
        let doing = "cannot complete tasks";
        let answer = self.target.call(&self.meter, doing, Duration::ZERO, send).await?;
        self.check(&answer)?;
        Ok(self.granted(asked, answer.claimed))
    }

    /// Takes the next claim's number of tasks.
    fn take(&self) -> usize {
        if self.target.is_stopping() {
            return 0;
        }
        let asked = self.wanted.get().min(self.per_request);
        self.wanted.set(self.wanted.get() - asked);
        asked
    }

    /// The tasks of a claim. Tasks that it did not bring are claimed again.
    fn granted(&self, asked: usize, answer: Option<ClaimResponse>) -> Vec<Assignment> {
        let granted = answer.unwrap_or_default().assignments;
        self.wanted.set(self.wanted.get() + asked - granted.len());
        granted
    }

    /// Counts the completed tasks. A claim refused as busy is no failure.
    fn check(&self, answer: &CompleteResponse) -> Result<(), Failure> {
        let refused = |refusal: &Refusal| {
            let message = format!("cannot complete tasks: {}", refusal.message);
            Err(Failure::new(Exit::Refused, message))
        };
        if let Some(refusal) = answer.results.iter().find_map(|result| result.refusal.as_ref()) {
            return refused(refusal);
        }
        let completed = answer.results.len() as u64;
        self.meter.did(completed);
        self.target.completed.set(self.target.completed.get() + completed);
        match &answer.claim_refusal {
            Some(refusal) if refusal.reason == Reason::Busy.as_str() => self.meter.was_busy(),
            Some(refusal) => return refused(refusal),
            None => {}
        }
        Ok(())
    }
}

fn succeeded(assignment: &Assignment) -> AttemptReport {
    AttemptReport {
        lease: assignment.lease.clone(),
        output: None,
        outcome: Some(Outcome::Success(Success {})),
    }
}
