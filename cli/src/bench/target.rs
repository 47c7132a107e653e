//! The coordinator under load, and the calls to it.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use swarm_program::{exit::Exit, failure::Failure};
use swarm_proto::{
    call::CallFailure,
    channel::{self, Address},
    limits::MAX_MESSAGE_BYTES,
    reason::Reason,
    v1::{
        GetServerInfoRequest, GetServerInfoResponse, GetStatusRequest, GetStatusResponse,
        admin_service_client::AdminServiceClient, coordinator_service_client::CoordinatorServiceClient,
        task_service_client::TaskServiceClient,
    },
};
use tonic::{Code, Response, Status, transport::Channel};

use super::meter::Meter;
use crate::{
    call::{client::Client, patience::Patience},
    output::text,
    program::{globals::Globals, value::generate_id},
};

/// How long an answer may take, beyond the wait that the call asks for, before it counts as lost.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// A coordinator under load.
pub(super) struct Target {
    /// The client for unmeasured calls.
    pub(super) client: Client,
    /// The queue of the bench's tasks, which nobody else uses.
    pub(super) queue: String,
    /// The coordinator's information about itself.
    pub(super) server: GetServerInfoResponse,
    /// The number of tasks sent to it, acknowledged or not.
    pub(super) submitted: Cell<u64>,
    /// The number of tasks that it has confirmed as completed.
    pub(super) completed: Cell<u64>,
    /// Whether no more calls may begin.
    stopping: Cell<bool>,
    /// The coordinator's status before the load.
    before: GetStatusResponse,
    channels: Vec<Channel>,
    retry_for: Duration,
}

impl Target {
    /// Asks the coordinator about itself, and prepares the connections.
    ///
    /// # Errors
    ///
    /// When the coordinator cannot be reached.
    pub(super) async fn open(globals: &Globals, connections: usize) -> anyhow::Result<Target> {
        let client = Client::open(globals)?;
        let failed = || client.failure("cannot load the coordinator");
        let server = client.call(GetServerInfoRequest {}).await;
        let server = server.map_err(failed())?;
        let before = client.call(GetStatusRequest {}).await.map_err(failed())?;
        let channels = (0..connections).map(|_| channel::open(&globals.coordinator));
        let channels = channels.collect::<Result<Vec<Channel>, String>>();
        let id = generate_id().map_err(|sentence| Failure::new(Exit::Failed, sentence))?;
        Ok(Target {
            queue: format!("bench-{id}"),
            server,
            submitted: Cell::new(0),
            completed: Cell::new(0),
            stopping: Cell::new(false),
            before,
            channels: channels.map_err(|sentence| Failure::new(Exit::Usage, sentence))?,
            retry_for: globals.retry_for,
            client,
        })
    }

    /// Tells a person what the load does, and warns of real agents.
    pub(super) fn warning(&self) -> String {
        let mut warning = format!(
            "loading the coordinator at {}, in queue {}; it is as durable as in production: nothing is answered before \
             it is on its disk",
            self.address(),
            self.queue
        );
        let online = self.before.agents.unwrap_or_default().online;
        if online > 0 {
            let agents = text::counted(online, "agent");
            warning.push_str(&format!(
                "\n{agents} online: one without --queues takes some of these tasks too, and each runs 'true'"
            ));
        }
        warning
    }

    /// Lets calls under way finish, and no more begin.
    pub(super) fn stop(&self) {
        self.stopping.set(true);
    }

    /// Lets calls begin again, for tidying up.
    pub(super) fn go_on(&self) {
        self.stopping.set(false);
    }

    /// Whether no more calls may begin.
    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.get()
    }

    /// Where it listens.
    pub(super) fn address(&self) -> &Address {
        self.client.address()
    }

    /// The number of connections.
    pub(super) fn connections(&self) -> usize {
        self.channels.len()
    }

    /// The submitters' service on one of the connections.
    pub(super) fn tasks(&self, worker: usize) -> TaskServiceClient<Channel> {
        TaskServiceClient::new(self.channel(worker))
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES)
    }

    /// The operators' service on one of the connections.
    pub(super) fn admin(&self, worker: usize) -> AdminServiceClient<Channel> {
        AdminServiceClient::new(self.channel(worker))
    }

    /// The agents' service on one of the connections.
    pub(super) fn coordinator(&self, worker: usize) -> CoordinatorServiceClient<Channel> {
        CoordinatorServiceClient::new(self.channel(worker))
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES)
    }

    fn channel(&self, worker: usize) -> Channel {
        self.channels[worker % self.channels.len()].clone()
    }

    /// Sends a request until it is answered, and records the answer's time beyond `wait`, for which the coordinator
    /// may hold it back. While the coordinator is busy or away the request is repeated, unless the run is stopping.
    ///
    /// # Errors
    ///
    /// When the coordinator refuses, or stays away for too long; `doing` says what was tried.
    pub(super) async fn call<A>(
        &self,
        meter: &Meter,
        doing: &str,
        wait: Duration,
        mut send: impl AsyncFnMut() -> Result<Response<A>, Status>,
    ) -> anyhow::Result<A> {
        let mut patience = Patience::new(Some(self.retry_for));
        loop {
            let sent = Instant::now();
            let failure = match tokio::time::timeout(wait + ANSWER_TIMEOUT, send()).await {
                Ok(Ok(response)) => {
                    meter.answered(sent.elapsed().saturating_sub(wait));
                    return Ok(response.into_inner());
                }
                Ok(Err(status)) => Box::new(CallFailure::of(&status)),
                Err(_elapsed) => Box::new(CallFailure::Lost {
                    code: Code::DeadlineExceeded,
                    message: "no answer".to_owned(),
                    unsent: false,
                }),
            };
            let pause = match &*failure {
                CallFailure::Refused {
                    reason: Some(Reason::Busy),
                    retry_after: Some(after),
                    ..
                } => {
                    meter.was_busy();
                    Some(*after)
                }
                failure if failure.is_transient() => {
                    meter.was_lost();
                    patience.pause(Duration::ZERO)
                }
                _ => None,
            };
            match pause {
                Some(pause) if !self.is_stopping() => tokio::time::sleep(pause).await,
                _ => return Err(self.client.failure(doing)(failure)),
            }
        }
    }
}
