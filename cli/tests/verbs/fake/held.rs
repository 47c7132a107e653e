//! The fake's holds, queues and explanations.

use std::{collections::VecDeque, sync::MutexGuard};

use swarm_proto::{
    reason::Reason,
    v1::{hold::Scope, queue_service_server::QueueService, *},
};
use tonic::{Request, Response, Status};

use super::{Service, Step, World, at, refused};

/// Holds, queues and explanations, and the requests for them.
#[derive(Default)]
pub struct Held {
    pub holds: Vec<Hold>,
    pub queues: Vec<Queue>,
    pub explanations: Vec<Explanation>,
    /// The unmatched tasks in the next answers to submits.
    pub unmatched: Vec<Unmatched>,
    /// The parts of the status that the fake does not count.
    pub status: GetStatusResponse,
    /// Whether its clock is the machine's instead of a fixed one.
    pub is_on_time: bool,
    /// How far the coordinator's clock is ahead.
    pub seconds_ahead: u64,
    /// Changes to make before the next answers about an agent.
    pub looks: VecDeque<Step>,
    pub pauses: Vec<PauseRequest>,
    pub resumes: Vec<ResumeRequest>,
    pub drains: Vec<DrainAgentRequest>,
    pub stops: Vec<StopAllRequest>,
    pub limits: Vec<LimitQueueRequest>,
    pub releases: Vec<ReleaseLeaseRequest>,
    pub forgets: Vec<ForgetAgentRequest>,
    pub agent_lists: Vec<ListAgentsRequest>,
}

/// A hold that was placed at a time that a test can write down.
pub fn hold(kind: HoldKind, scope: Option<Scope>, actor: &str, reason: &str) -> Hold {
    Hold {
        kind: kind.into(),
        scope,
        actor: actor.into(),
        reason: reason.into(),
        place_time: at(5),
        deadline: None,
    }
}

impl World {
    /// Adds a change to make before the next answer about an agent.
    pub fn at_a_look(&mut self, step: impl FnOnce(&mut World) + Send + 'static) {
        self.held.looks.push_back(Box::new(step));
    }

    /// The hold in force after a request for one: a stricter hold stays.
    fn place(&mut self, asked: Hold) -> Hold {
        match self.held.holds.iter_mut().find(|hold| hold.scope == asked.scope) {
            Some(there) if there.kind > asked.kind => there.clone(),
            Some(there) => {
                *there = asked.clone();
                asked
            }
            None => {
                self.held.holds.push(asked.clone());
                asked
            }
        }
    }

    fn lift(&mut self, scope: Option<Scope>) -> Option<Hold> {
        let at = self.held.holds.iter().position(|hold| hold.scope == scope)?;
        Some(self.held.holds.remove(at))
    }
}

pub fn pause(mut world: MutexGuard<'_, World>, request: PauseRequest) -> PauseResponse {
    world.held.pauses.push(request.clone());
    let scope = request.scope.map(|scope| match scope {
        pause_request::Scope::Queue(queue) => Scope::Queue(queue),
        pause_request::Scope::AgentId(agent) => Scope::AgentId(agent),
    });
    let placed = world.place(hold(HoldKind::Pause, scope, &request.actor, &request.reason));
    PauseResponse {
        as_of: world.as_of(),
        hold: Some(placed),
    }
}

pub fn resume(mut world: MutexGuard<'_, World>, request: ResumeRequest) -> ResumeResponse {
    world.held.resumes.push(request.clone());
    let scope = request.scope.map(|scope| match scope {
        resume_request::Scope::Queue(queue) => Scope::Queue(queue),
        resume_request::Scope::AgentId(agent) => Scope::AgentId(agent),
    });
    ResumeResponse {
        lifted: world.lift(scope),
        as_of: world.as_of(),
    }
}

pub fn stop_all(mut world: MutexGuard<'_, World>, request: StopAllRequest) -> StopAllResponse {
    world.held.stops.push(request.clone());
    let placed = world.place(hold(HoldKind::Stop, None, &request.actor, &request.reason));
    let running = |task: &&Task| task.state() == TaskState::Running;
    StopAllResponse {
        as_of: world.as_of(),
        hold: Some(placed),
        leases: world.tasks.iter().filter(running).count() as u64,
    }
}

pub fn drain_agent(mut world: MutexGuard<'_, World>, request: DrainAgentRequest) -> DrainAgentResponse {
    world.held.drains.push(request.clone());
    let scope = Some(Scope::AgentId(request.agent_id.clone()));
    let mut asked = hold(HoldKind::Drain, scope, &request.actor, &request.reason);
    asked.deadline = request.timeout.and_then(|timeout| at(5 + timeout.seconds as u64));
    let placed = world.place(asked);
    let agent = world
        .agents
        .iter_mut()
        .find(|agent| agent.agent_id == request.agent_id)
        .unwrap();
    agent.hold = Some(placed.clone());
    let leases = agent.leases.len() as u32;
    DrainAgentResponse {
        as_of: world.as_of(),
        hold: Some(placed),
        leases,
    }
}

pub fn undrain_agent(mut world: MutexGuard<'_, World>, request: UndrainAgentRequest) -> UndrainAgentResponse {
    let lifted = world.lift(Some(Scope::AgentId(request.agent_id)));
    UndrainAgentResponse {
        as_of: world.as_of(),
        lifted,
    }
}

pub fn release_lease(
    mut world: MutexGuard<'_, World>,
    request: ReleaseLeaseRequest,
) -> Result<ReleaseLeaseResponse, Status> {
    world.held.releases.push(request.clone());
    let as_of = world.as_of();
    let task = world
        .tasks
        .iter_mut()
        .find(|task| task.task_id == request.task_id);
    let task = task.ok_or_else(|| refused(Reason::TaskNotFound, "there is no such task".to_owned()))?;
    if task.state() != TaskState::Running {
        return Err(refused(
            Reason::TaskNotRunning,
            "nobody has a lease of it".to_owned(),
        ));
    }
    task.set_state(TaskState::Queued);
    Ok(ReleaseLeaseResponse {
        as_of,
        task_id: request.task_id,
        attempt: request.attempt,
        agent_id: task
            .attempts
            .last()
            .map(|last| last.agent_id.clone())
            .unwrap_or_default(),
        state: task.state,
    })
}

pub fn forget_agent(
    mut world: MutexGuard<'_, World>,
    request: ForgetAgentRequest,
) -> Result<ForgetAgentResponse, Status> {
    let as_of = world.as_of();
    let agent = world
        .agents
        .iter()
        .find(|agent| agent.agent_id == request.agent_id);
    let agent = agent.ok_or_else(|| refused(Reason::AgentNotFound, "there is no such agent".to_owned()))?;
    let leases = agent.leases.len() as u32;
    world.held.forgets.push(request.clone());
    Ok(ForgetAgentResponse {
        as_of,
        agent_id: request.agent_id,
        leases,
    })
}

pub fn explain_task(
    world: MutexGuard<'_, World>,
    request: &ExplainTaskRequest,
) -> Result<ExplainTaskResponse, Status> {
    let id = &request.task_id;
    match world.held.explanations.iter().find(|known| known.task_id == *id) {
        Some(known) => Ok(ExplainTaskResponse {
            as_of: world.as_of(),
            explanation: Some(known.clone()),
        }),
        None => Err(refused(Reason::TaskNotFound, format!("there is no task '{id}'"))),
    }
}

/// The agents whose labels meet the terms.
pub fn list_agents(mut world: MutexGuard<'_, World>, request: ListAgentsRequest) -> ListAgentsResponse {
    let meets = |agent: &Agent, term: &str| match (term.split_once("!="), term.split_once('=')) {
        (Some((key, value)), _) => agent.labels.get(key).is_none_or(|has| has != value),
        (None, Some((key, value))) => agent.labels.get(key).is_some_and(|has| has == value),
        (None, None) => match term.strip_prefix('!') {
            Some(key) => !agent.labels.contains_key(key),
            None => agent.labels.contains_key(term),
        },
    };
    let agents = world.agents.iter();
    let agents = agents
        .filter(|agent| request.labels.iter().all(|term| meets(agent, term)))
        .cloned()
        .collect();
    world.held.agent_lists.push(request);
    ListAgentsResponse {
        as_of: world.as_of(),
        agents,
        next_page_token: String::new(),
    }
}

#[tonic::async_trait]
impl QueueService for Service {
    async fn list_queues(
        &self,
        _: Request<ListQueuesRequest>,
    ) -> Result<Response<ListQueuesResponse>, Status> {
        let world = self.world();
        let queues = world.held.queues.clone();
        Ok(Response::new(ListQueuesResponse {
            as_of: world.as_of(),
            queues,
            next_page_token: String::new(),
        }))
    }

    async fn limit_queue(
        &self,
        request: Request<LimitQueueRequest>,
    ) -> Result<Response<LimitQueueResponse>, Status> {
        let request = request.into_inner();
        let mut world = self.world();
        world.held.limits.push(request.clone());
        if !world.held.queues.iter().any(|queue| queue.name == request.queue) {
            world.held.queues.push(Queue {
                name: request.queue.clone(),
                ..Queue::default()
            });
        }
        let queue = world
            .held
            .queues
            .iter_mut()
            .find(|queue| queue.name == request.queue)
            .unwrap();
        queue.max_running = request.max_running;
        let queue = Some(queue.clone());
        Ok(Response::new(LimitQueueResponse {
            as_of: world.as_of(),
            queue,
        }))
    }
}
