//! Simulated agents: each has an identity and a session, and runs nothing.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};

use swarm_proto::{
    duration::{read_duration, write_duration},
    v1::{ClaimRequest, DeregisterAgentRequest, RegisterAgentRequest},
};

use super::{
    meter::Meter,
    target::Target,
    workers::{to_their_answers, together},
};

/// The slots that each agent registers.
const SLOTS: u32 = 1;

/// Agents that register or leave at the same time on each connection: enough for a full group commit.
const AT_ONCE: usize = 32;

/// The heartbeat's interval when the coordinator sets none.
const USUAL_INTERVAL: Duration = Duration::from_secs(30);

/// All agents; the coordinator knows them once they are registered.
pub(super) struct Agents {
    target: Rc<Target>,
    count: usize,
    registered: Rc<RefCell<Vec<Rc<Agent>>>>,
}

/// An agent with its session.
pub(super) struct Agent {
    /// Its id.
    pub(super) id: String,
    /// Its session.
    pub(super) session: u64,
    /// The interval of its heartbeats.
    pub(super) heartbeat_interval: Duration,
    claims: Cell<u64>,
}

impl Agents {
    /// `count` agents, not yet registered.
    pub(super) fn new(target: Rc<Target>, count: usize) -> Agents {
        Agents {
            target,
            count,
            registered: Rc::default(),
        }
    }

    /// The number of agents, registered or not.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// The registered agents.
    pub(super) fn all(&self) -> Vec<Rc<Agent>> {
        self.registered.borrow().clone()
    }

    /// Registers all agents.
    ///
    /// # Errors
    ///
    /// When the coordinator refuses, or stays away for too long.
    pub(super) async fn register(&self, meter: &Rc<Meter>) -> anyhow::Result<()> {
        let (next, count) = (Rc::new(Cell::new(0)), self.count);
        let workers = (0..self.target.connections() * AT_ONCE).map(|worker| {
            let (target, meter, next) = (Rc::clone(&self.target), Rc::clone(meter), Rc::clone(&next));
            let registered = Rc::clone(&self.registered);
            async move {
                while next.get() < count && !target.is_stopping() {
                    let number = next.replace(next.get() + 1);
                    let agent = register(&target, &meter, worker, number).await?;
                    registered.borrow_mut().push(Rc::new(agent));
                    meter.did(1);
                }
                Ok(())
            }
        });
        to_their_answers(&self.target, workers).await
    }

    /// Says goodbye for all agents, so that the coordinator queues the tasks that they hold again.
    ///
    /// # Errors
    ///
    /// When the coordinator refuses, or stays away for too long.
    pub(super) async fn leave(&self) -> anyhow::Result<()> {
        let meter = Rc::new(Meter::new());
        let workers = (0..self.target.connections() * AT_ONCE).map(|worker| {
            let (target, meter) = (Rc::clone(&self.target), Rc::clone(&meter));
            let registered = Rc::clone(&self.registered);
            async move {
                loop {
                    let Some(agent) = registered.borrow_mut().pop() else {
                        return Ok(());
                    };
                    deregister(&target, &meter, worker, &agent).await?;
                }
            }
        });
        together(workers).await
    }
}

impl Agent {
    /// A claim of tasks of the bench's queue. Each request has an id of its own.
    pub(super) fn claim(&self, target: &Target, max_tasks: usize, wait: Duration) -> ClaimRequest {
        let number = self.claims.replace(self.claims.get() + 1);
        ClaimRequest {
            agent_id: self.id.clone(),
            session: self.session,
            max_tasks: u32::try_from(max_tasks).unwrap_or(u32::MAX),
            wait: write_duration(wait),
            queues: vec![target.queue.clone()],
            request_id: number.to_string(),
            shard: None,
            scan_limit: 0,
        }
    }
}

async fn register(target: &Target, meter: &Meter, worker: usize, number: usize) -> anyhow::Result<Agent> {
    let id = format!("{}-agent-{number}", target.queue);
    let mut service = target.coordinator(worker);
    let send = async || {
        let request = RegisterAgentRequest {
            agent_id: id.clone(),
            name: id.clone(),
            slots: SLOTS,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..RegisterAgentRequest::default()
        };
        service.register_agent(request).await
    };
    let answer = target
        .call(meter, "cannot register an agent", Duration::ZERO, send)
        .await?;
    let interval = answer.heartbeat_interval.as_ref().and_then(read_duration);
    Ok(Agent {
        session: answer.session,
        heartbeat_interval: interval.unwrap_or(USUAL_INTERVAL),
        claims: Cell::new(0),
        id,
    })
}

async fn deregister(target: &Target, meter: &Meter, worker: usize, agent: &Agent) -> anyhow::Result<()> {
    let mut service = target.coordinator(worker);
    let send = async || {
        let request = DeregisterAgentRequest {
            agent_id: agent.id.clone(),
            session: agent.session,
        };
        service.deregister_agent(request).await
    };
    let doing = "cannot say goodbye for an agent";
    target.call(meter, doing, Duration::ZERO, send).await.map(drop)
}
