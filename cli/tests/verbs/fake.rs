//! A fake coordinator: it keeps the tasks that a test gives it, loses answers on demand, and runs no engine.

use std::{
    collections::VecDeque,
    io::Write as _,
    net::SocketAddr,
    process::{Command, Stdio},
    sync::{Arc, Mutex, MutexGuard},
    time::SystemTime,
};

use swarm_proto::{
    call::status,
    reason::Reason,
    refusal::{Details, FieldFault},
    v1::{
        self,
        admin_service_server::{AdminService, AdminServiceServer},
        agent_service_server::{AgentService, AgentServiceServer},
        coordinator_service_server::CoordinatorServiceServer,
        queue_service_server::QueueServiceServer,
        task_service_server::{TaskService, TaskServiceServer},
        *,
    },
};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, transport::Server};

mod cancel;
pub mod held;
pub mod hostility;
mod lists;
mod removal;
mod stream;

pub type Step = Box<dyn FnOnce(&mut World) + Send>;

/// The fake coordinator's tasks and jobs, and its misbehaviour.
#[derive(Default)]
pub struct World {
    pub tasks: Vec<Task>,
    pub jobs: Vec<Job>,
    pub agents: Vec<Agent>,
    pub events: Vec<Event>,
    /// The number of answers to lose after their requests were carried out.
    pub lost_answers: usize,
    /// The number of lists after which their answers are lost.
    pub lists_until_lost: Option<usize>,
    /// The number of requests for changes after which they are refused.
    pub changes_until_refused: Option<usize>,
    /// The paths of all calls.
    pub calls: Vec<String>,
    /// Whether requests for the status are never answered.
    pub is_hanging: bool,
    /// Numbers of events after which the next streams break off.
    pub cuts: VecDeque<usize>,
    /// Changes to make when the next streams are opened.
    pub steps: VecDeque<Step>,
    /// What happens between the next stream's events and whatever is asked after them.
    pub after_stream: Option<Step>,
    /// What happens between the next submit and whatever is asked after it.
    pub after_submit: Option<Step>,
    /// The refusal of the next submit.
    pub refusal: Option<(Reason, &'static str, Vec<FieldFault>)>,
    pub page_size: usize,
    pub submits: Vec<SubmitTasksRequest>,
    pub streams: Vec<StreamEventsRequest>,
    pub retries: Vec<RetryTasksRequest>,
    pub lists: Vec<ListTasksRequest>,
    /// Tasks that change, or end, between a list and the change.
    pub changed_meanwhile: Vec<String>,
    /// Tasks that others depend on.
    pub needed: Vec<String>,
    /// Whether a task that runs when it is cancelled still runs behind the answer.
    pub agents_are_slow_to_end: bool,
    /// The beginnings of ids that were asked for.
    pub prefixes: Vec<String>,
    pub held: held::Held,
    pub hostility: hostility::Hostility,
}

impl World {
    /// Adds a task in a state.
    pub fn task(&mut self, id: &str, state: TaskState) -> &mut Task {
        let number = self.tasks.len() as u64 + 1;
        let command = task_spec::Work::Command(v1::Command {
            argv: vec!["echo".into(), id.into()],
            ..Default::default()
        });
        self.tasks.push(Task {
            task_id: id.into(),
            state: state.into(),
            spec: Some(TaskSpec {
                work: Some(command),
                ..Default::default()
            }),
            create_time: at(number),
            revision: 10 + number,
            number,
            round: 1,
            ..Default::default()
        });
        self.tasks.last_mut().unwrap()
    }

    /// Puts a task into another state, with an event that says so.
    pub fn becomes(&mut self, id: &str, state: TaskState) {
        let task = self.tasks.iter_mut().find(|task| task.task_id == id).unwrap();
        task.set_state(state);
        let job_id = task.job_id.clone();
        let payload = match state {
            TaskState::Running => event::Payload::LeaseGranted(LeaseGranted::default()),
            TaskState::Succeeded => event::Payload::TaskSucceeded(TaskSucceeded::default()),
            TaskState::Failed => event::Payload::TaskFailed(TaskFailed {
                reason: "no tries left".into(),
            }),
            TaskState::Skipped => event::Payload::TaskSkipped(TaskSkipped::default()),
            other => panic!("no event for {other:?}"),
        };
        self.event(id, &job_id, payload);
    }

    /// Appends an event.
    pub fn event(&mut self, task_id: &str, job_id: &str, payload: event::Payload) {
        let kind = match &payload {
            event::Payload::LeaseGranted(_) => "lease_granted",
            event::Payload::TaskSucceeded(_) => "task_succeeded",
            event::Payload::TaskFailed(_) => "task_failed",
            event::Payload::TaskSkipped(_) => "task_skipped",
            event::Payload::AttemptFailed(_) => "attempt_failed",
            event::Payload::HoldPlaced(_) => "hold_placed",
            event::Payload::HoldLifted(_) => "hold_lifted",
            event::Payload::QueueLimited(_) => "queue_limited",
            other => panic!("no kind for {other:?}"),
        };
        let seq = self.events.len() as u64 + 1;
        self.events.push(Event {
            seq,
            time: at(seq),
            kind: kind.into(),
            task_id: task_id.into(),
            job_id: job_id.into(),
            attempt: 1,
            agent_id: "lab".into(),
            summary: format!("{task_id}: {kind}"),
            as_of: Some(AsOf {
                history: "h".into(),
                seq,
            }),
            payload: Some(payload),
        });
    }

    /// Adds a change to make when the next stream is opened.
    pub fn then(&mut self, step: impl FnOnce(&mut World) + Send + 'static) {
        self.steps.push_back(Box::new(step));
    }

    /// Counts a request for a change.
    fn may_change(&mut self) -> Result<(), Status> {
        match &mut self.changes_until_refused {
            Some(0) => Err(refused(Reason::FieldInvalid, "not this one".into())),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn as_of(&self) -> Option<AsOf> {
        Some(AsOf {
            history: "h".into(),
            seq: self.events.len() as u64,
        })
    }

    fn job_now(&self, job: &Job) -> Job {
        let of = |state| {
            self.tasks
                .iter()
                .filter(|task| task.job_id == job.job_id && task.state() == state)
                .count() as u64
        };
        let counts = StateCounts {
            blocked: of(TaskState::Blocked),
            queued: of(TaskState::Queued),
            running: of(TaskState::Running),
            succeeded: of(TaskState::Succeeded),
            failed: of(TaskState::Failed),
            cancelled: of(TaskState::Cancelled),
            skipped: of(TaskState::Skipped),
            ..Default::default()
        };
        Job {
            counts: Some(counts),
            ..job.clone()
        }
    }
}

/// The moment at which swarmctl looks.
pub const NOW: &str = "2026-01-02T03:05:00Z";

/// A fixed time: seconds after 2026-01-02 03:04:00.
pub fn at(seconds: u64) -> Option<prost_types::Timestamp> {
    Some(prost_types::Timestamp {
        seconds: 1_767_323_040 + seconds as i64,
        nanos: 0,
    })
}

/// A running fake coordinator; it ends with its runtime.
#[derive(Clone)]
pub struct Fake {
    pub address: SocketAddr,
    world: Arc<Mutex<World>>,
    runtime: Arc<tokio::runtime::Runtime>,
}

/// The output and exit code of a program.
pub struct Ended {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Fake {
    /// Serves a world.
    pub fn start(fill: impl FnOnce(&mut World)) -> Fake {
        Fake::start_at("127.0.0.1:0", fill)
    }

    /// The same, at an address that a test knows before.
    pub fn start_at(address: &str, fill: impl FnOnce(&mut World)) -> Fake {
        let mut world = World {
            page_size: 1_000,
            ..World::default()
        };
        fill(&mut world);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime.block_on(TcpListener::bind(address)).unwrap();
        let address = listener.local_addr().unwrap();
        let fake = Fake {
            address,
            world: Arc::new(Mutex::new(world)),
            runtime: Arc::new(runtime),
        };
        let server = Server::builder()
            .add_service(fake.hostile(TaskServiceServer::new(fake.clone_world())))
            .add_service(fake.hostile(AgentServiceServer::new(fake.clone_world())))
            .add_service(fake.hostile(AdminServiceServer::new(fake.clone_world())))
            .add_service(fake.hostile(QueueServiceServer::new(fake.clone_world())))
            .add_service(fake.hostile(CoordinatorServiceServer::new(fake.clone_world())));
        fake.runtime
            .spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        fake
    }

    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    /// Runs swarmctl against this coordinator.
    pub fn ctl(&self, args: &[&str]) -> Ended {
        self.ctl_with(args, "", &[])
    }

    /// Runs swarmctl with something on its stdin and in its environment.
    pub fn ctl_with(&self, args: &[&str], stdin: &str, env: &[(&str, &str)]) -> Ended {
        run(self.command(args).envs(env.iter().copied()), stdin)
    }

    /// A command that runs swarmctl against this coordinator.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_swarmctl"));
        command.args(args);
        for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"] {
            command.env_remove(name);
        }
        command.env("SWARM_COORDINATOR", self.address.to_string());
        command.env("XDG_CONFIG_HOME", "/nonexistent");
        // A minute after the fake's times, where they are told as they are.
        command.envs([("SWARM_NOW", NOW), ("TZ", "UTC")]);
        command.env("XDG_STATE_HOME", "/nonexistent");
        command
    }

    /// The service, which may become hostile.
    fn hostile<S>(&self, inner: S) -> hostility::Hostile<S> {
        let world = self.world.clone();
        hostility::Hostile { inner, world }
    }

    fn clone_world(&self) -> Service {
        Service(self.world.clone())
    }
}

/// Runs a program to its end.
pub fn run(command: &mut Command, stdin: &str) -> Ended {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that does not read its stdin may be gone by now.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    let output = child.wait_with_output().unwrap();
    Ended {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

#[derive(Clone)]
struct Service(Arc<Mutex<World>>);

impl Service {
    fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap()
    }

    /// Answers, unless this answer is to be lost.
    fn answer<A>(mut world: MutexGuard<'_, World>, answer: A) -> Result<Response<A>, Status> {
        if world.lost_answers > 0 {
            world.lost_answers -= 1;
            return Err(Status::unknown("the connection broke"));
        }
        Ok(Response::new(answer))
    }
}

fn refused(reason: Reason, message: String) -> Status {
    status(reason, message, Details::default())
}

fn no_task(id: &str) -> Refusal {
    Refusal {
        reason: "TASK_NOT_FOUND".into(),
        message: format!("there is no task '{id}'"),
    }
}

#[tonic::async_trait]
impl TaskService for Service {
    async fn submit_tasks(
        &self,
        request: Request<SubmitTasksRequest>,
    ) -> Result<Response<SubmitTasksResponse>, Status> {
        let request = request.into_inner();
        let mut world = self.world();
        world.submits.push(request.clone());
        if let Some((reason, message, faults)) = world.refusal.take() {
            return Err(status(
                reason,
                message,
                Details {
                    faults,
                    ..Details::default()
                },
            ));
        }
        let job_id = request
            .job
            .as_ref()
            .map(|job| job.job_id.clone())
            .unwrap_or_default();
        if let Some(job) = request.job
            && !world.jobs.iter().any(|known| known.job_id == job.job_id)
        {
            let task_count = request.tasks.len() as u32;
            let number = world.tasks.len() as u64;
            world.jobs.push(Job {
                job_id: job.job_id,
                name: job.name,
                task_count,
                number,
                ..Default::default()
            });
        }
        let mut tasks = Vec::new();
        for new in request.tasks {
            let known = world
                .tasks
                .iter()
                .find(|task| task.task_id == new.task_id)
                .map(|task| task.state);
            let state = known.unwrap_or_else(|| {
                let task = world.task(&new.task_id, TaskState::Queued);
                task.job_id.clone_from(&job_id);
                task.spec = new.spec;
                task.state
            });
            tasks.push(SubmittedTask {
                task_id: new.task_id,
                state,
                existed: known.is_some(),
            });
        }
        let answer = SubmitTasksResponse {
            as_of: world.as_of(),
            tasks,
            unmatched: world.held.unmatched.clone(),
        };
        if let Some(step) = world.after_submit.take() {
            step(&mut world);
        }
        Self::answer(world, answer)
    }

    async fn get_task(&self, request: Request<GetTaskRequest>) -> Result<Response<GetTaskResponse>, Status> {
        let id = request.into_inner().task_id;
        let world = self.world();
        match world.tasks.iter().find(|task| task.task_id == id).cloned() {
            Some(task) => {
                let as_of = world.as_of();
                Self::answer(
                    world,
                    GetTaskResponse {
                        as_of,
                        task: Some(task),
                    },
                )
            }
            None => Err(refused(Reason::TaskNotFound, format!("there is no task '{id}'"))),
        }
    }

    async fn list_tasks(
        &self,
        request: Request<ListTasksRequest>,
    ) -> Result<Response<ListTasksResponse>, Status> {
        let mut world = self.world();
        if world
            .lists_until_lost
            .is_some_and(|lists| world.lists.len() >= lists)
        {
            world.lists.push(request.into_inner());
            return Err(Status::unknown("the connection broke"));
        }
        let answer = lists::tasks(&mut world, request.into_inner());
        Self::answer(world, answer)
    }

    async fn remove_tasks(
        &self,
        request: Request<RemoveTasksRequest>,
    ) -> Result<Response<RemoveTasksResponse>, Status> {
        let mut world = self.world();
        world.may_change()?;
        let removed = request.into_inner().tasks.into_iter();
        let results = removed.map(|task| removal::remove(&mut world, task)).collect();
        let as_of = world.as_of();
        Self::answer(world, RemoveTasksResponse { as_of, results })
    }

    async fn cancel_tasks(
        &self,
        request: Request<CancelTasksRequest>,
    ) -> Result<Response<CancelTasksResponse>, Status> {
        let mut world = self.world();
        world.may_change()?;
        let cancelled = request.into_inner().task_ids.into_iter();
        let results = cancelled
            .map(|task_id| cancel::cancel(&mut world, task_id))
            .collect();
        let as_of = world.as_of();
        Self::answer(world, CancelTasksResponse { as_of, results })
    }

    async fn retry_tasks(
        &self,
        request: Request<RetryTasksRequest>,
    ) -> Result<Response<RetryTasksResponse>, Status> {
        let request = request.into_inner();
        let mut world = self.world();
        world.may_change()?;
        world.retries.push(request.clone());
        let mut results = Vec::new();
        for retry in request.tasks {
            let has_changed = world.changed_meanwhile.contains(&retry.task_id);
            let task = world
                .tasks
                .iter_mut()
                .find(|task| task.task_id == retry.task_id)
                .unwrap();
            let refusal = if has_changed || retry.revision.is_some_and(|seen| seen != task.revision) {
                Some(Refusal {
                    reason: "REVISION_MISMATCH".into(),
                    message: "it changed meanwhile".into(),
                })
            } else if task.state() == TaskState::Queued {
                Some(Refusal {
                    reason: "TASK_NOT_FINISHED".into(),
                    message: "it has not ended".into(),
                })
            } else {
                task.set_state(TaskState::Queued);
                task.revision += 1;
                None
            };
            results.push(TaskChange {
                task_id: retry.task_id,
                state: task.state,
                refusal,
            });
        }
        let as_of = world.as_of();
        Self::answer(world, RetryTasksResponse { as_of, results })
    }

    async fn get_job(&self, request: Request<GetJobRequest>) -> Result<Response<GetJobResponse>, Status> {
        let id = request.into_inner().job_id;
        let world = self.world();
        match world.jobs.iter().find(|job| job.job_id == id) {
            Some(job) => {
                let answer = GetJobResponse {
                    as_of: world.as_of(),
                    job: Some(world.job_now(job)),
                };
                Self::answer(world, answer)
            }
            None => Err(refused(Reason::JobNotFound, format!("there is no job '{id}'"))),
        }
    }

    async fn list_jobs(
        &self,
        request: Request<ListJobsRequest>,
    ) -> Result<Response<ListJobsResponse>, Status> {
        let world = self.world();
        let answer = lists::jobs(&world, &request.into_inner());
        Self::answer(world, answer)
    }

    async fn explain_task(
        &self,
        request: Request<ExplainTaskRequest>,
    ) -> Result<Response<ExplainTaskResponse>, Status> {
        held::explain_task(self.world(), request.get_ref()).map(Response::new)
    }

    async fn find_ids(&self, request: Request<FindIdsRequest>) -> Result<Response<FindIdsResponse>, Status> {
        let mut world = self.world();
        let answer = lists::ids(&mut world, &request.into_inner());
        Self::answer(world, answer)
    }
}

#[tonic::async_trait]
impl AgentService for Service {
    async fn list_agents(
        &self,
        request: Request<ListAgentsRequest>,
    ) -> Result<Response<ListAgentsResponse>, Status> {
        let answer = held::list_agents(self.world(), request.into_inner());
        Self::answer(self.world(), answer)
    }

    async fn get_agent(
        &self,
        request: Request<GetAgentRequest>,
    ) -> Result<Response<GetAgentResponse>, Status> {
        let id = request.into_inner().agent_id;
        let mut world = self.world();
        if let Some(step) = world.held.looks.pop_front() {
            step(&mut world);
        }
        match world.agents.iter().find(|agent| agent.agent_id == id).cloned() {
            Some(agent) => Ok(Response::new(GetAgentResponse {
                as_of: world.as_of(),
                agent: Some(agent),
            })),
            None => Err(refused(
                Reason::AgentNotFound,
                format!("there is no agent '{id}'"),
            )),
        }
    }

    async fn drain_agent(
        &self,
        request: Request<DrainAgentRequest>,
    ) -> Result<Response<DrainAgentResponse>, Status> {
        Ok(Response::new(held::drain_agent(
            self.world(),
            request.into_inner(),
        )))
    }

    async fn undrain_agent(
        &self,
        request: Request<UndrainAgentRequest>,
    ) -> Result<Response<UndrainAgentResponse>, Status> {
        Ok(Response::new(held::undrain_agent(
            self.world(),
            request.into_inner(),
        )))
    }

    async fn release_lease(
        &self,
        request: Request<ReleaseLeaseRequest>,
    ) -> Result<Response<ReleaseLeaseResponse>, Status> {
        held::release_lease(self.world(), request.into_inner()).map(Response::new)
    }

    async fn forget_agent(
        &self,
        request: Request<ForgetAgentRequest>,
    ) -> Result<Response<ForgetAgentResponse>, Status> {
        held::forget_agent(self.world(), request.into_inner()).map(Response::new)
    }
}

#[tonic::async_trait]
impl AdminService for Service {
    async fn get_status(
        &self,
        _request: Request<GetStatusRequest>,
    ) -> Result<Response<GetStatusResponse>, Status> {
        let is_hanging = self.world().is_hanging;
        if is_hanging {
            std::future::pending::<()>().await;
        }
        let world = self.world();
        let of = |state| world.tasks.iter().filter(|task| task.state() == state).count() as u64;
        let status = GetStatusResponse {
            as_of: world.as_of(),
            tasks: Some(StateCounts {
                queued: of(TaskState::Queued),
                running: of(TaskState::Running),
                succeeded: of(TaskState::Succeeded),
                ..Default::default()
            }),
            agents: Some(AgentCounts {
                online: world.agents.len() as u64,
                ..AgentCounts::default()
            }),
            holds: world.held.holds.clone(),
            slots: 4,
            jobs: world.jobs.len() as u64,
            uptime: Some(prost_types::Duration {
                seconds: 90,
                nanos: 0,
            }),
            store_seq: world.events.len() as u64,
            server_time: match world.held.is_on_time {
                true => Some(SystemTime::now().into()),
                false => at(60 + world.held.seconds_ahead),
            },
            ..world.held.status.clone()
        };
        Self::answer(world, status)
    }

    async fn get_server_info(
        &self,
        _request: Request<GetServerInfoRequest>,
    ) -> Result<Response<GetServerInfoResponse>, Status> {
        Ok(Response::new(GetServerInfoResponse {
            version: "0.1.0".into(),
            cluster_id: "c1".into(),
            lease_ttl: Some(prost_types::Duration {
                seconds: 90,
                nanos: 0,
            }),
            default_timeout: Some(prost_types::Duration {
                seconds: 3_600,
                nanos: 0,
            }),
            default_retries: 2,
            ..Default::default()
        }))
    }

    async fn pause(&self, request: Request<PauseRequest>) -> Result<Response<PauseResponse>, Status> {
        Ok(Response::new(held::pause(self.world(), request.into_inner())))
    }

    async fn resume(&self, request: Request<ResumeRequest>) -> Result<Response<ResumeResponse>, Status> {
        Ok(Response::new(held::resume(self.world(), request.into_inner())))
    }

    async fn stop_all(&self, request: Request<StopAllRequest>) -> Result<Response<StopAllResponse>, Status> {
        Ok(Response::new(held::stop_all(self.world(), request.into_inner())))
    }
}
