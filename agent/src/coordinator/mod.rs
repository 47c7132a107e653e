//! Typed calls to the coordinator. After a lost answer or a transient refusal the very same request is repeated, for
//! ever and with jittered pauses. An error is final for its request.

mod call;
mod contact;
mod seen;

pub(crate) mod heartbeat;
pub(crate) mod last_words;
pub(crate) mod session;

pub(crate) mod hold;
pub(crate) mod lease;
pub(crate) mod leases;
pub(crate) mod order;

use std::{
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use swarm_proto::{
    call::CallFailure,
    channel::{self, Address},
    limits::MAX_MESSAGE_BYTES,
    v1::{
        AsOf, ClaimRequest, ClaimResponse, CompleteRequest, CompleteResponse, DeregisterAgentRequest,
        Directive, GetServerInfoRequest, GetStatusRequest, GetTaskRequest, HeartbeatRequest,
        HeartbeatResponse, LeaseDirective, RegisterAgentRequest, RegisterAgentResponse, StateCounts, Task,
        admin_service_client::AdminServiceClient, coordinator_service_client::CoordinatorServiceClient,
        task_service_client::TaskServiceClient,
    },
};
use tokio::sync::watch;
use tonic::{Response, Status, transport::Channel};

pub(crate) use self::{call::sentence, contact::Stranger};
use self::{contact::Contact, seen::Seen};
use crate::program::{backoff::Backoff, config::Config};

/// The time for an answer, on top of its wait. After that the answer counts as lost.
const ANSWER_LIMIT: Duration = Duration::from_secs(15);

/// Why a call has no answer.
#[derive(Clone, Debug)]
pub(crate) enum CallError {
    /// The call was refused, or its answer was lost.
    Failed(CallFailure),
    /// Another coordinator, with this cluster id, answers at the address. It was sent nothing, or is not believed.
    OtherCluster(String),
}

/// The coordinator, at whichever of its addresses it answers.
pub(crate) struct Coordinator {
    targets: Vec<(Address, Channel)>,
    current: AtomicUsize,
    backoff_max: Duration,
    jitter_max: Duration,
    /// The longest pause in milliseconds: a quarter of the lease TTL.
    pause_cap_ms: AtomicU64,
    seen: Seen,
    contact: Arc<Mutex<Contact>>,
    /// The other coordinator that the contact knows of, for those who wait for one.
    strangers: watch::Sender<Option<Stranger>>,
}

impl Coordinator {
    /// Prepares the channels; the first call connects.
    ///
    /// # Errors
    ///
    /// A sentence when an address cannot be used.
    pub(crate) fn new(config: &Config) -> Result<Coordinator, String> {
        let targets = config
            .coordinator
            .iter()
            .map(|address| Ok((address.clone(), channel::open(address)?)))
            .collect::<Result<Vec<_>, String>>()?;
        if targets.is_empty() {
            return Err("no coordinator is named: --coordinator HOST:PORT".to_owned());
        }
        Ok(Coordinator {
            contact: Arc::new(Mutex::new(Contact::new(targets.len()))),
            targets,
            current: AtomicUsize::new(0),
            backoff_max: config.backoff_max,
            jitter_max: config.jitter_max,
            pause_cap_ms: AtomicU64::new(u64::MAX),
            seen: Seen::default(),
            strangers: watch::channel(None).0,
        })
    }

    /// The address in use.
    pub(crate) fn address(&self) -> &Address {
        &self.targets[self.target()].0
    }

    /// Limits all later pauses to a quarter of the lease TTL.
    pub(crate) fn set_lease_ttl(&self, lease_ttl: Duration) {
        let quarter = u64::try_from((lease_ttl / 4).as_millis()).unwrap_or(u64::MAX);
        self.pause_cap_ms.store(quarter, Ordering::Relaxed);
    }

    /// Fresh pauses, limited by the flags and by the lease TTL.
    pub(crate) fn backoff(&self) -> Backoff {
        let quarter = Duration::from_millis(self.pause_cap_ms.load(Ordering::Relaxed));
        Backoff::new(self.backoff_max.min(quarter), self.jitter_max)
    }

    /// The other coordinator that answers in place of our own, while there is one.
    pub(crate) fn strangers(&self) -> watch::Receiver<Option<Stranger>> {
        self.strangers.subscribe()
    }

    /// Asks the coordinator for its cluster id, and works for that cluster from now on.
    pub(crate) async fn join_cluster(&self) -> Result<String, CallError> {
        self.work_for(None);
        let cluster_id = self.call("join", ANSWER_LIMIT, cluster_id, none_doubtful).await?;
        self.work_for(Some(cluster_id.clone()));
        Ok(cluster_id)
    }

    pub(crate) async fn register(
        &self,
        request: &RegisterAgentRequest,
    ) -> Result<RegisterAgentResponse, CallError> {
        let send = |channel| {
            let request = request.clone();
            async move { coordinator_service(channel).register_agent(request).await }
        };
        // The answer names the cluster itself.
        let answer = self.call("register", ANSWER_LIMIT, send, none_doubtful).await?;
        self.seen.note(answer.as_of.as_ref());
        Ok(answer)
    }

    pub(crate) async fn deregister(&self, request: &DeregisterAgentRequest) -> Result<(), CallError> {
        let send = |channel| {
            let request = request.clone();
            async move { coordinator_service(channel).deregister_agent(request).await }
        };
        self.call("say goodbye", ANSWER_LIMIT, send, none_doubtful)
            .await?;
        Ok(())
    }

    /// Asks for work; the answer may be held back for `wait`. While another coordinator answers, the call waits for
    /// our own.
    pub(crate) async fn claim(
        &self,
        request: &ClaimRequest,
        wait: Duration,
    ) -> Result<ClaimResponse, CallFailure> {
        let send = |channel| {
            let request = request.clone();
            async move { coordinator_service(channel).claim(request).await }
        };
        let answer = self
            .call_own("claim", wait + ANSWER_LIMIT, send, none_doubtful)
            .await?;
        self.seen.note(answer.as_of.as_ref());
        Ok(answer)
    }

    /// One heartbeat, never repeated: the next one lists the leases of its own time.
    pub(crate) async fn heartbeat_once(
        &self,
        request: HeartbeatRequest,
        wait: Duration,
    ) -> Result<HeartbeatResponse, CallError> {
        let send = |channel| {
            let request = request.clone();
            async move { coordinator_service(channel).heartbeat(request).await }
        };
        // A stranger knows none of the leases and would call them lost, and attempts would be killed for it.
        let ends_an_attempt = |answer: &HeartbeatResponse| {
            let mut directives = answer.directives.iter().map(LeaseDirective::directive);
            directives.any(|directive| matches!(directive, Directive::Lost | Directive::Cancel))
        };
        let answer = self
            .once("renew leases", wait + ANSWER_LIMIT, &send, ends_an_attempt)
            .await?;
        self.seen.note(answer.as_of.as_ref());
        Ok(answer)
    }

    /// Reports outcomes. While another coordinator answers, the call waits for our own.
    pub(crate) async fn complete(&self, request: &CompleteRequest) -> Result<CompleteResponse, CallFailure> {
        let send = |channel| {
            let request = request.clone();
            async move { coordinator_service(channel).complete(request).await }
        };
        let refuses =
            |answer: &CompleteResponse| answer.results.iter().any(|result| result.refusal.is_some());
        let answer = self.call_own("report", ANSWER_LIMIT, send, refuses).await?;
        self.seen.note(answer.as_of.as_ref());
        Ok(answer)
    }

    pub(crate) async fn get_task(&self, task_id: &str) -> Result<Task, CallError> {
        let send = |channel| {
            let request = GetTaskRequest {
                task_id: task_id.to_owned(),
            };
            let mut service = TaskServiceClient::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES);
            async move { service.get_task(request).await }
        };
        let answer = self
            .call("read a task", ANSWER_LIMIT, send, none_doubtful)
            .await?;
        Ok(answer.task.unwrap_or_default())
    }

    /// How many tasks are in each state; `None` when nobody says it.
    pub(crate) async fn unfinished(&self) -> Option<StateCounts> {
        let channel = self.targets[self.target()].1.clone();
        let answer = AdminServiceClient::new(channel)
            .get_status(GetStatusRequest {})
            .await;
        answer.ok()?.into_inner().tasks
    }

    /// The newest position of the journal in an answer.
    pub(crate) fn seen(&self) -> Option<AsOf> {
        self.seen.newest()
    }

    fn target(&self) -> usize {
        self.current.load(Ordering::Relaxed) % self.targets.len()
    }

    fn work_for(&self, cluster_id: Option<String>) {
        self.contact().work_for(cluster_id);
        self.tell_stranger();
    }

    fn contact(&self) -> MutexGuard<'_, Contact> {
        lock(&self.contact)
    }
}

fn lock(contact: &Mutex<Contact>) -> MutexGuard<'_, Contact> {
    contact.lock().expect("nothing panics while it notes a contact")
}

/// For answers that do no harm even from a stranger.
fn none_doubtful<T>(_: &T) -> bool {
    false
}

fn coordinator_service(channel: Channel) -> CoordinatorServiceClient<Channel> {
    CoordinatorServiceClient::new(channel)
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES)
}

async fn cluster_id(channel: Channel) -> Result<Response<String>, Status> {
    let answer = AdminServiceClient::new(channel)
        .get_server_info(GetServerInfoRequest {})
        .await?;
    Ok(answer.map(|info| info.cluster_id))
}
