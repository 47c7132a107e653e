//! A coordinator without rules: it hands out tasks, notes requests, and misbehaves when told to.

pub(crate) mod hold;
mod people;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use nix::unistd::Pid;
use swarm_proto::{
    call,
    reason::Reason,
    refusal::Details,
    v1::{
        Assignment, AttemptReport, ClaimRequest, ClaimResponse, Command, CompleteRequest, CompleteResponse,
        DeregisterAgentRequest, DeregisterAgentResponse, Directive, HeartbeatRequest, HeartbeatResponse,
        Hold, LeaseDirective, LeaseRef, Passed, Refusal, RegisterAgentRequest, RegisterAgentResponse,
        ReportDeathRequest, ReportDeathResponse, ReportResult, TaskSpec, TaskState,
        admin_service_server::AdminServiceServer,
        attempt_report::Outcome,
        coordinator_service_server::{CoordinatorService, CoordinatorServiceServer},
        task_service_server::TaskServiceServer,
        task_spec::Work,
    },
};
use tokio::{
    net::TcpSocket,
    sync::watch,
    task::JoinHandle,
    time::{Instant, timeout, timeout_at},
};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, transport::Server};

use crate::program::{PATIENCE, carriers};

/// The instructions to the fake, and the requests that it got.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) queue: VecDeque<Assignment>,
    pub(crate) granted: BTreeMap<String, Vec<Assignment>>,
    pub(crate) registered: Vec<RegisterAgentRequest>,
    pub(crate) claims: Vec<ClaimRequest>,
    pub(crate) heartbeats: Vec<HeartbeatRequest>,
    pub(crate) completes: Vec<CompleteRequest>,
    pub(crate) goodbyes: usize,
    /// What guards said, and which processes carried this mark then.
    pub(crate) deaths: Vec<(ReportDeathRequest, Vec<Pid>)>,
    pub(crate) watched_mark: Option<String>,
    /// How often the fake was asked for its cluster id.
    pub(crate) asked: usize,
    /// The cluster id, unless it is `c1`.
    pub(crate) cluster_id: Option<&'static str>,
    /// When each claim came.
    pub(crate) claimed_at: Vec<Instant>,
    /// Answer claims at once, whatever they ask for.
    pub(crate) hasty: bool,
    /// Refuse registrations, and to show tasks.
    pub(crate) refuse_register: Option<Status>,
    pub(crate) refuse_get_task: Option<Status>,
    /// Show no task for the moment, and how many are waited for.
    pub(crate) withholds_tasks: bool,
    pub(crate) withheld: usize,
    /// The cluster id from then on.
    pub(crate) cluster_id_after_get_task: Option<&'static str>,
    /// Seconds, instead of 0.
    pub(crate) next_heartbeat: i64,
    /// Answer heartbeats with this about a task.
    pub(crate) directives: BTreeMap<String, Directive>,
    /// Refuse reports about these tasks with LEASE_LOST.
    pub(crate) refused: BTreeSet<String>,
    /// Carry out so many claims or completes, and lose their answers.
    pub(crate) lose_claims: usize,
    pub(crate) lose_completes: usize,
    /// Refuse completes with these, one after another.
    pub(crate) refusals: VecDeque<Status>,
    /// Refuse claims as of an older session, or of an unknown agent.
    pub(crate) replaced: bool,
    pub(crate) forget_agent: bool,
    /// Put released tasks back into the queue.
    pub(crate) requeues: bool,
    /// Answer nothing, as if the connection were cut.
    pub(crate) away: bool,
    /// Seconds, instead of 90.
    pub(crate) lease_ttl: Option<i64>,
    /// The hold in force.
    pub(crate) hold: Option<Hold>,
    /// The reason in empty answers.
    pub(crate) passed: Vec<Passed>,
    /// Seconds that an agent is told to wait by an empty answer.
    pub(crate) retry_after: Option<i64>,
    session: u64,
    /// The newest session of each agent.
    sessions: BTreeMap<String, u64>,
}

impl World {
    /// The checks before every call of an agent.
    fn admit(&self, agent_id: &str, session: u64) -> Result<(), Status> {
        if self.away {
            return Err(cut());
        }
        if self.replaced
            || self
                .sessions
                .get(agent_id)
                .is_some_and(|newest| session < *newest)
        {
            return Err(call::status(
                Reason::AgentReplaced,
                "a newer session exists",
                Details::default(),
            ));
        }
        if self.forget_agent {
            return Err(call::status(
                Reason::AgentNotFound,
                "never heard of it",
                Details::default(),
            ));
        }
        Ok(())
    }

    fn cluster_id(&self) -> String {
        self.cluster_id.unwrap_or("c1").to_owned()
    }

    fn lease_ttl(&self) -> Option<prost_types::Duration> {
        seconds(self.lease_ttl.unwrap_or(90))
    }

    /// Every accepted or refused report, in order, repeats included.
    pub(crate) fn reports(&self) -> Vec<&AttemptReport> {
        self.completes
            .iter()
            .flat_map(|complete| &complete.results)
            .collect()
    }

    /// The first report about a task.
    pub(crate) fn report(&self, task_id: &str) -> Option<AttemptReport> {
        self.reports()
            .into_iter()
            .find(|report| report.lease.as_ref().unwrap().task_id == task_id)
            .cloned()
    }
}

/// A handle on a running fake.
#[derive(Clone)]
pub(crate) struct Fake(Arc<Shared>);

struct Shared {
    world: Mutex<World>,
    changed: watch::Sender<()>,
    address: SocketAddr,
    silent: Mutex<Option<TcpSocket>>,
    server: Mutex<Option<JoinHandle<()>>>,
}

impl Fake {
    pub(crate) async fn start() -> Fake {
        let fake = Self::reserve().await;
        fake.serve().await;
        fake
    }

    /// A fake that is away: it has an address, and refuses connections.
    pub(crate) async fn reserve() -> Fake {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        Fake(Arc::new(Shared {
            world: Mutex::default(),
            changed: watch::channel(()).0,
            address: socket.local_addr().unwrap(),
            silent: Mutex::new(Some(socket)),
            server: Mutex::default(),
        }))
    }

    /// Begins to answer.
    pub(crate) async fn serve(&self) {
        let socket = self.0.silent.lock().unwrap().take().unwrap();
        let listener = socket.listen(128).unwrap();
        let server = Server::builder()
            .add_service(CoordinatorServiceServer::new(self.clone()).max_decoding_message_size(4 << 20))
            .add_service(AdminServiceServer::new(self.clone()))
            .add_service(TaskServiceServer::new(self.clone()))
            .serve_with_incoming(TcpListenerStream::new(listener));
        let running = tokio::spawn(async move { server.await.unwrap() });
        *self.0.server.lock().unwrap() = Some(running);
    }

    pub(crate) fn address(&self) -> String {
        self.0.address.to_string()
    }

    /// Reads or changes the world.
    pub(crate) fn world(&self) -> WorldGuard<'_> {
        WorldGuard {
            world: self.0.world.lock().unwrap(),
            changed: &self.0.changed,
        }
    }

    /// Waits until the closure returns something.
    pub(crate) async fn until<T>(&self, what: &str, look: impl FnMut(&World) -> Option<T>) -> T {
        self.until_within(PATIENCE, what, look).await
    }

    /// The same with another patience.
    pub(crate) async fn until_within<T>(
        &self,
        patience: Duration,
        what: &str,
        mut look: impl FnMut(&World) -> Option<T>,
    ) -> T {
        let mut changes = self.0.changed.subscribe();
        let waiting = async {
            loop {
                changes.borrow_and_update();
                let found = look(&self.0.world.lock().unwrap());
                if let Some(found) = found {
                    return found;
                }
                changes.changed().await.unwrap();
            }
        };
        timeout(patience, waiting)
            .await
            .unwrap_or_else(|_| panic!("waited in vain: {what}"))
    }

    /// Puts a shell line into the queue.
    pub(crate) fn submit(&self, task_id: &str, script: &str) {
        self.submit_with(task_id, script, |_| ());
    }

    pub(crate) fn submit_with(&self, task_id: &str, script: &str, change: impl FnOnce(&mut Assignment)) {
        let argv = ["sh", "-c", script].map(str::to_owned).to_vec();
        let command = Command {
            argv,
            ..Command::default()
        };
        let lease = LeaseRef {
            task_id: task_id.to_owned(),
            attempt: 1,
            lease_token: vec![9; 16],
            run_time: None,
        };
        let mut assignment = Assignment {
            lease: Some(lease),
            spec: Some(TaskSpec {
                work: Some(Work::Command(command)),
                ..TaskSpec::default()
            }),
            lease_ttl: self.world().lease_ttl(),
            timeout: seconds(3600),
            job_id: "job".to_owned(),
            dependencies: Vec::new(),
        };
        change(&mut assignment);
        self.world().queue.push_back(assignment);
    }

    /// The first report about a task.
    pub(crate) async fn report(&self, task_id: &str) -> AttemptReport {
        self.until(&format!("a report about {task_id}"), |world| {
            world.report(task_id)
        })
        .await
    }

    /// Waits until every task is granted.
    pub(crate) async fn all_granted(&self) {
        self.until("all are granted", |world| world.queue.is_empty().then_some(()))
            .await;
    }

    /// Cancels a task; returns when it is reported as cancelled.
    pub(crate) async fn cancelled(&self, task_id: &str) {
        self.world()
            .directives
            .insert(task_id.to_owned(), Directive::Cancel);
        let report = self.report(task_id).await;
        assert!(
            matches!(report.outcome, Some(Outcome::Cancelled(_))),
            "{report:?}"
        );
    }

    /// Puts a task that is given back into the queue, where the coordinator is to do that.
    fn requeue(&self, report: &AttemptReport) {
        let mut world = self.world();
        let (true, Some(Outcome::Released(_)), Some(lease)) =
            (world.requeues, &report.outcome, &report.lease)
        else {
            return;
        };
        let granted = world.granted.values().flatten();
        let mut again = granted
            .filter(|assignment| {
                assignment
                    .lease
                    .as_ref()
                    .is_some_and(|held| held.task_id == lease.task_id)
            })
            .max_by_key(|assignment| assignment.lease.as_ref().map(|held| held.attempt))
            .cloned()
            .unwrap();
        if let Some(lease) = &mut again.lease {
            lease.attempt += 1;
        }
        world.queue.push_back(again);
    }

    fn grant(&self, request: &ClaimRequest) -> ClaimResponse {
        let mut world = self.world();
        let known = world.granted.get(&request.request_id).cloned();
        let assignments = known.unwrap_or_else(|| {
            let open = if world.hold.is_some() {
                0
            } else {
                world.queue.len()
            };
            let count = open.min(request.max_tasks.max(1) as usize);
            let granted: Vec<_> = world.queue.drain(..count).collect();
            if !granted.is_empty() {
                world.granted.insert(request.request_id.clone(), granted.clone());
            }
            granted
        });
        if assignments.is_empty() {
            return world.nothing();
        }
        ClaimResponse {
            assignments,
            ..ClaimResponse::default()
        }
    }
}

/// Access to the world. When it is dropped, waiting tests check their conditions again.
pub(crate) struct WorldGuard<'a> {
    world: MutexGuard<'a, World>,
    changed: &'a watch::Sender<()>,
}

impl std::ops::Deref for WorldGuard<'_> {
    type Target = World;

    fn deref(&self) -> &World {
        &self.world
    }
}

impl std::ops::DerefMut for WorldGuard<'_> {
    fn deref_mut(&mut self) -> &mut World {
        &mut self.world
    }
}

impl Drop for WorldGuard<'_> {
    fn drop(&mut self) {
        self.changed.send_replace(());
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(server) = self.server.lock().unwrap().take() {
            server.abort();
        }
    }
}

#[tonic::async_trait]
impl CoordinatorService for Fake {
    async fn register_agent(
        &self,
        request: Request<RegisterAgentRequest>,
    ) -> Result<Response<RegisterAgentResponse>, Status> {
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
        Ok(Response::new(RegisterAgentResponse {
            session_token: vec![7; 16],
            cluster_id: world.cluster_id(),
            session,
            lease_ttl: world.lease_ttl(),
            heartbeat_interval: seconds(10),
            ..RegisterAgentResponse::default()
        }))
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

/// Not a refusal of ours, but the status of a connection that ended.
fn cut() -> Status {
    Status::unavailable("the connection was cut")
}

fn seconds(seconds: i64) -> Option<prost_types::Duration> {
    Some(prost_types::Duration { seconds, nanos: 0 })
}
