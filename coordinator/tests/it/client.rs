//! A plain caller of the services.

use std::{collections::BTreeMap, future::Future, time::Duration};

use swarm_proto::{
    channel::{self, Address},
    reason::{Failure, Reason},
    v1::{
        AttemptReport, ClaimRequest, Command, CompleteRequest, GetStatusRequest, GetTaskRequest, LeaseRef,
        NewTask, Output, RegisterAgentRequest, StreamEventsRequest, SubmitTasksRequest, Success, TaskSpec,
        TaskState, admin_service_client::AdminServiceClient, attempt_report::Outcome,
        coordinator_service_client::CoordinatorServiceClient, task_service_client::TaskServiceClient,
        task_spec::Work,
    },
};
use tokio::runtime::Runtime;
use tonic::{Status, transport::Channel};

const PATIENCE: Duration = Duration::from_secs(60);

/// A blocking caller with a connection of its own.
pub(crate) struct Client {
    runtime: Runtime,
    channel: Channel,
}

impl Client {
    pub(crate) fn connect(address: &str) -> Client {
        let address: Address = address.parse().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let channel = runtime.block_on(async { channel::open(&address) }).unwrap();
        Client { runtime, channel }
    }

    fn call<T>(&self, call: impl Future<Output = T>) -> T {
        self.runtime
            .block_on(async { tokio::time::timeout(PATIENCE, call).await })
            .expect("the call is answered")
    }

    fn agents(&self) -> CoordinatorServiceClient<Channel> {
        CoordinatorServiceClient::new(self.channel.clone())
    }

    fn tasks(&self) -> TaskServiceClient<Channel> {
        TaskServiceClient::new(self.channel.clone())
    }

    /// Registers the agent, which can claim from then on; gives its session.
    pub(crate) fn register(&self, labels: BTreeMap<String, String>) -> Result<u64, Status> {
        let request = RegisterAgentRequest {
            agent_id: "agent".to_owned(),
            name: "agent".to_owned(),
            slots: 1_000,
            version: "1.0.0".to_owned(),
            labels,
            held: Vec::new(),
            executors: Vec::new(),
        };
        let response = self.call(self.agents().register_agent(request))?;
        Ok(response.into_inner().session)
    }

    /// Submits tasks with these ids.
    pub(crate) fn submit(&self, ids: impl IntoIterator<Item = String>) -> Result<(), Status> {
        let task = |task_id| NewTask {
            task_id,
            spec: Some(TaskSpec {
                work: Some(Work::Command(Command {
                    argv: vec!["true".to_owned()],
                    ..Command::default()
                })),
                ..TaskSpec::default()
            }),
        };
        let request = SubmitTasksRequest {
            job: None,
            tasks: ids.into_iter().map(task).collect(),
        };
        self.call(self.tasks().submit_tasks(request)).map(drop)
    }

    /// Claims up to so many tasks.
    pub(crate) fn claim(&self, session: u64, most: u32) -> Result<Vec<LeaseRef>, Status> {
        let request = ClaimRequest {
            agent_id: "agent".to_owned(),
            session,
            max_tasks: most,
            ..ClaimRequest::default()
        };
        let response = self.call(self.agents().claim(request))?.into_inner();
        let leases = response.assignments.into_iter().map(|each| each.lease.unwrap());
        Ok(leases.collect())
    }

    /// Reports success, with this many bytes of output.
    pub(crate) fn complete(&self, lease: &LeaseRef, bytes: usize) -> Result<(), Status> {
        let report = AttemptReport {
            lease: Some(lease.clone()),
            outcome: Some(Outcome::Success(Success {})),
            output: Some(Output {
                stdout: vec![b'x'; bytes],
                stdout_bytes: bytes as u64,
                ..Output::default()
            }),
        };
        let request = CompleteRequest {
            agent_id: "agent".to_owned(),
            results: vec![report],
            claim_next: None,
        };
        let response = self.call(self.agents().complete(request))?.into_inner();
        assert_eq!(response.results[0].refusal, None);
        Ok(())
    }

    /// The state of a task.
    pub(crate) fn state(&self, task_id: &str) -> Result<TaskState, Status> {
        let request = GetTaskRequest {
            task_id: task_id.to_owned(),
        };
        let response = self.call(self.tasks().get_task(request))?.into_inner();
        Ok(response.task.unwrap().state())
    }

    /// The history of the events and the seq of the last.
    pub(crate) fn position(&self) -> (String, u64) {
        let mut admin = AdminServiceClient::new(self.channel.clone());
        let response = self.call(admin.get_status(GetStatusRequest {})).unwrap();
        let as_of = response.into_inner().as_of.unwrap();
        (as_of.history, as_of.seq)
    }

    /// The first event from this seq on, of this history.
    pub(crate) fn event(&self, history: &str, from: u64) -> Result<u64, Status> {
        let request = StreamEventsRequest {
            history: history.to_owned(),
            from_seq: Some(from),
            limit: 1,
            ..StreamEventsRequest::default()
        };
        self.call(async {
            let mut stream = self.agents().stream_events(request).await?.into_inner();
            Ok(stream.message().await?.map_or(0, |event| event.seq))
        })
    }
}

/// Why a call was refused; `None` when it was not, or when nobody answered.
pub(crate) fn reason<T>(answer: &Result<T, Status>) -> Option<Reason> {
    match Failure::of(answer.as_ref().err()?) {
        Failure::Refused { reason, .. } => reason,
        _ => None,
    }
}
