//! A plain caller of the services, for tests that look closer than `swarmctl` lets them.

use std::{collections::BTreeMap, fmt, future::Future, path::Path, time::Duration};

use swarm_proto::{
    call::CallFailure,
    channel::{self, Address},
    limits::MAX_MESSAGE_BYTES,
    reason::Reason,
    v1::{
        CancelTasksRequest, Command, Dependency, Event, GetStatusRequest, GetStatusResponse, GetTaskRequest,
        NewTask, StreamEventsRequest, SubmitTasksRequest, SubmitTasksResponse, Task, TaskSpec, TaskState,
        admin_service_client::AdminServiceClient, coordinator_service_client::CoordinatorServiceClient,
        task_service_client::TaskServiceClient, task_spec::Work,
    },
};
use tokio::runtime::Runtime;
use tonic::{Status, Streaming, transport::Channel};

use super::{PATIENCE, wait_for};

/// A blocking caller with a connection of its own.
pub(crate) struct Client {
    runtime: Runtime,
    channel: Channel,
}

impl Client {
    /// Connects with the first call.
    pub(crate) fn connect(address: &str) -> Client {
        let address: Address = address.parse().unwrap();
        // One thread of its own: the connection lives on between two calls.
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let channel = runtime.block_on(async { channel::open(&address) }).unwrap();
        Client { runtime, channel }
    }

    /// The connection, for services that have no method here.
    pub(crate) fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// Waits for a call; one that is not answered in time fails the test.
    pub(crate) fn call<T>(&self, call: impl Future<Output = T>) -> T {
        self.runtime
            .block_on(async { tokio::time::timeout(PATIENCE, call).await })
            .expect("the call is answered")
    }

    /// The agents' side.
    pub(crate) fn coordinator_service(&self) -> CoordinatorServiceClient<Channel> {
        CoordinatorServiceClient::new(self.channel())
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES)
    }

    /// The people's side.
    pub(crate) fn task_service(&self) -> TaskServiceClient<Channel> {
        TaskServiceClient::new(self.channel())
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES)
    }

    /// Submits tasks without a job, once.
    pub(crate) fn try_submit(&self, tasks: Vec<NewTask>) -> Result<SubmitTasksResponse, Status> {
        let request = SubmitTasksRequest { job: None, tasks };
        self.call(self.task_service().submit_tasks(request))
            .map(tonic::Response::into_inner)
    }

    /// Submits tasks that must be accepted.
    #[track_caller]
    pub(crate) fn submit(&self, tasks: Vec<NewTask>) -> SubmitTasksResponse {
        self.try_submit(tasks).unwrap()
    }

    /// One task.
    #[track_caller]
    pub(crate) fn task(&self, task_id: &str) -> Task {
        let request = GetTaskRequest {
            task_id: task_id.to_owned(),
        };
        let response = self.call(self.task_service().get_task(request)).unwrap();
        response.into_inner().task.unwrap()
    }

    /// Waits until a task is in this state.
    pub(crate) fn wait_for_state(&self, task_id: &str, state: TaskState) -> Task {
        wait_for(&format!("{task_id} is {}", state.as_str_name()), PATIENCE, || {
            let task = self.task(task_id);
            (task.state() == state).then_some(task)
        })
    }

    /// Cancels a task.
    pub(crate) fn cancel(&self, task_id: &str) {
        let request = CancelTasksRequest {
            task_ids: vec![task_id.to_owned()],
        };
        let response = self
            .call(self.task_service().cancel_tasks(request))
            .unwrap()
            .into_inner();
        assert_eq!(response.results[0].refusal, None);
    }

    /// Everything on one page.
    pub(crate) fn status(&self) -> GetStatusResponse {
        self.try_status().unwrap()
    }

    /// The same, which may be refused.
    pub(crate) fn try_status(&self) -> Result<GetStatusResponse, Status> {
        let mut service = AdminServiceClient::new(self.channel());
        self.call(service.get_status(GetStatusRequest {}))
            .map(tonic::Response::into_inner)
    }

    /// Opens a stream of events.
    pub(crate) fn try_stream(&self, request: StreamEventsRequest) -> Result<Streaming<Event>, Status> {
        self.call(self.coordinator_service().stream_events(request))
            .map(tonic::Response::into_inner)
    }

    /// The next event of a stream; nothing at its end.
    pub(crate) fn next(&self, stream: &mut Streaming<Event>) -> Result<Option<Event>, Status> {
        self.call(stream.message())
    }

    /// All events that a request brings, to the end of its stream.
    #[track_caller]
    pub(crate) fn events(&self, request: StreamEventsRequest) -> Vec<Event> {
        let mut stream = self.try_stream(request).unwrap();
        let mut events = Vec::new();
        while let Some(event) = self.next(&mut stream).unwrap() {
            events.push(event);
        }
        events
    }

    /// All events so far, which must be all there are, in order.
    #[track_caller]
    pub(crate) fn all_events(&self) -> Vec<Event> {
        let events = self.events(StreamEventsRequest {
            from_seq: Some(0),
            ..Default::default()
        });
        assert_gapless(&events);
        events
    }

    /// Waits until an event of this kind about this task has happened; gives it.
    pub(crate) fn wait_for_event(&self, task_id: &str, kind: &str) -> Event {
        let request = StreamEventsRequest {
            from_seq: Some(0),
            follow: true,
            task_ids: vec![task_id.to_owned()],
            kinds: vec![kind.to_owned()],
            limit: 1,
            ..Default::default()
        };
        self.events(request)
            .pop()
            .unwrap_or_else(|| panic!("the stream ended without {kind} of {task_id}"))
    }
}

/// Checks that every seq from 1 is there once and in order.
#[track_caller]
pub(crate) fn assert_gapless(events: &[Event]) {
    for (expected, event) in (1..).zip(events) {
        assert_eq!(event.seq, expected, "{event:?}");
    }
}

/// The number of events of this kind for each task.
pub(crate) fn count_by_task<'a>(events: &'a [Event], kind: &str) -> BTreeMap<&'a str, usize> {
    let mut counts = BTreeMap::new();
    for event in events.iter().filter(|event| event.kind == kind) {
        *counts.entry(event.task_id.as_str()).or_default() += 1;
    }
    counts
}

/// The reason of a refusal.
#[track_caller]
pub(crate) fn reason<T: fmt::Debug>(answer: Result<T, Status>) -> Reason {
    let status = answer.unwrap_err();
    CallFailure::of(&status)
        .reason()
        .unwrap_or_else(|| panic!("a status without our reason: {status:?}"))
}

/// The reason of a refusal; nothing when the call was accepted, or when nobody answered.
pub(crate) fn refusal<T>(answer: &Result<T, Status>) -> Option<Reason> {
    CallFailure::of(answer.as_ref().err()?).reason()
}

/// A task that runs a shell line.
pub(crate) fn shell_task(task_id: &str, line: &str) -> NewTask {
    let argv = ["sh", "-c", line].map(str::to_owned).to_vec();
    let command = Command {
        argv,
        ..Default::default()
    };
    NewTask {
        task_id: task_id.to_owned(),
        spec: Some(TaskSpec {
            work: Some(Work::Command(command)),
            ..Default::default()
        }),
    }
}

/// Changes what a task asks for.
pub(crate) fn with(mut task: NewTask, change: impl FnOnce(&mut TaskSpec)) -> NewTask {
    change(task.spec.as_mut().unwrap());
    task
}

/// Dependencies on tasks that have to succeed.
pub(crate) fn after<'a>(task_ids: impl IntoIterator<Item = &'a str>) -> Vec<Dependency> {
    task_ids
        .into_iter()
        .map(|id| Dependency {
            task_id: id.to_owned(),
            condition: 0,
        })
        .collect()
}

/// A duration as it travels.
pub(crate) fn duration(duration: Duration) -> prost_types::Duration {
    prost_types::Duration::try_from(duration).unwrap()
}

/// A path inside a shell line.
pub(crate) fn quoted(path: &Path) -> String {
    format!("'{}'", path.display())
}
