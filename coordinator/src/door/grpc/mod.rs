//! The gRPC server: thin handlers on the core.
//!
//! Wire types stop here. Every limit that keeps a stranger from filling memory
//! is set explicitly: tonic turns several of hyper's defaults off.

mod incoming;
mod metered;
pub(crate) mod status;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use swarm_engine::{
    id::AttemptNumber,
    noun::{outcome::Output, task::Task},
    rejection::{FaultKind, Faults, Rejection},
};
use swarm_proto::{
    limits::{MAX_CALLS_PER_CONNECTION, MAX_MESSAGE_BYTES},
    reason::{Details, Reason},
    v1::{
        self, admin_service_server, admin_service_server::AdminServiceServer, agent_service_server,
        agent_service_server::AgentServiceServer, coordinator_service_server,
        coordinator_service_server::CoordinatorServiceServer, queue_service_server,
        queue_service_server::QueueServiceServer, task_service_server,
        task_service_server::TaskServiceServer,
    },
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::{Status, service::Routes, transport::Server};
use tonic_health::{ServingStatus, server::HealthReporter};

use crate::{
    admission::Load,
    config::Config,
    core::{Answer, Core},
    limits::{BUSY_RETRY_AFTER, CALL_PATIENCE, CONNECTION_AGE, CONNECTION_GRACE, STOP_PATIENCE},
};

/// Streams that a peer reset before we saw them (rapid reset, CVE-2023-44487).
const MAX_PENDING_RESETS: usize = 20;
/// Streams that we reset because of the peer's errors (RUSTSEC-2024-0003).
const MAX_ERROR_RESETS: usize = 256;
/// Bytes of a request's headers.
const MAX_HEADER_BYTES: u32 = 8 * 1024;
/// A silent connection is asked for a sign of life after this, and closed when there is none.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(20);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// What every handler needs.
#[derive(Clone)]
pub(crate) struct Service {
    pub(crate) core: Arc<Core>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) shutdown: CancellationToken,
}

/// What the operator chose.
pub(crate) struct Settings {
    pub(crate) lease_ttl: Duration,
    pub(crate) default_timeout: Duration,
    pub(crate) default_retries: u32,
    pub(crate) address: SocketAddr,
}

/// Serves until the shutdown, and then answers what is under way for a bounded time.
pub(crate) async fn serve(
    listener: TcpListener,
    core: Arc<Core>,
    config: &Config,
    address: SocketAddr,
    shutdown: CancellationToken,
) -> Result<(), tonic::transport::Error> {
    let metered = metered::Metered(Arc::clone(&core.meters));
    let service = Service {
        core,
        settings: Arc::new(Settings {
            lease_ttl: config.lease_ttl,
            default_timeout: config.default_timeout,
            default_retries: config.default_retries,
            address,
        }),
        shutdown: shutdown.clone(),
    };
    let (health_reporter, health) = tonic_health::server::health_reporter();
    set_health(&health_reporter, ServingStatus::Serving).await;
    let stop = shutdown.clone();
    tokio::spawn(async move {
        stop.cancelled().await;
        set_health(&health_reporter, ServingStatus::NotServing).await;
    });

    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(swarm_proto::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let router = Server::builder()
        .layer(metered)
        .timeout(CALL_PATIENCE)
        .max_connection_age(CONNECTION_AGE)
        .max_connection_age_grace(CONNECTION_GRACE)
        .max_concurrent_streams(MAX_CALLS_PER_CONNECTION)
        .http2_max_pending_accept_reset_streams(Some(MAX_PENDING_RESETS))
        .http2_max_local_error_reset_streams(Some(MAX_ERROR_RESETS))
        .http2_max_header_list_size(MAX_HEADER_BYTES)
        .http2_keepalive_interval(Some(KEEP_ALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEP_ALIVE_TIMEOUT))
        .add_routes(routes(&service))
        .add_service(health)
        .add_service(reflection().build_v1().expect("the compiled schema is whole"))
        // grpcurl up to 1.8.7 asks for this one only.
        .add_service(
            reflection()
                .build_v1alpha()
                .expect("the compiled schema is whole"),
        );

    let incoming = incoming::accept(listener, shutdown.clone());
    let serving = router.serve_with_incoming_shutdown(incoming, shutdown.clone().cancelled_owned());
    let patience = async {
        shutdown.cancelled().await;
        tokio::time::sleep(STOP_PATIENCE).await;
    };
    tokio::select! {
        served = serving => served,
        () = patience => Ok(()),
    }
}

/// The protocol's own services.
pub(crate) fn routes(service: &Service) -> Routes {
    macro_rules! limited {
        ($server:ident) => {
            $server::new(service.clone())
                .max_decoding_message_size(MAX_MESSAGE_BYTES)
                .max_encoding_message_size(MAX_MESSAGE_BYTES)
        };
    }
    Routes::new(limited!(CoordinatorServiceServer))
        .add_service(limited!(TaskServiceServer))
        .add_service(limited!(AgentServiceServer))
        .add_service(limited!(AdminServiceServer))
        .add_service(limited!(QueueServiceServer))
}

/// All services live and die together, and so does the whole, which has no name.
async fn set_health(reporter: &HealthReporter, status: ServingStatus) {
    for name in [
        "",
        coordinator_service_server::SERVICE_NAME,
        task_service_server::SERVICE_NAME,
        agent_service_server::SERVICE_NAME,
        admin_service_server::SERVICE_NAME,
        queue_service_server::SERVICE_NAME,
    ] {
        reporter.set_service_status(name, status).await;
    }
}

impl Service {
    pub(crate) fn as_of<T>(&self, answer: &Answer<T>) -> Option<v1::AsOf> {
        Some(self.position(answer.as_of.0))
    }

    pub(crate) fn position(&self, seq: u64) -> v1::AsOf {
        v1::AsOf {
            history: self.core.history().to_owned(),
            seq,
        }
    }

    /// Refuses a request while the coordinator has more to do than it may take on, or its disk has no space for it.
    pub(crate) fn admit(&self, load: Load) -> Result<(), Status> {
        match self.obstacle(load) {
            None => Ok(()),
            Some((reason, why)) => Err(later(reason, why)),
        }
    }

    /// Why such a request is refused at the moment.
    pub(crate) fn obstacle(&self, load: Load) -> Option<(Reason, &'static str)> {
        if !self.core.admission.has_space_for(load) {
            Some((Reason::DiskFull, DISK_FULL))
        } else if !self.core.admission.admits(load) {
            Some((Reason::Busy, BUSY))
        } else {
            None
        }
    }

    /// What the last reported attempt of a task printed, and which one that was.
    pub(crate) async fn output_of(
        &self,
        task: &Task,
    ) -> Result<Option<(AttemptNumber, Arc<Output>)>, Status> {
        let Some(reported) = task.last_report() else {
            return Ok(None);
        };
        let (core, task, attempt) = (Arc::clone(&self.core), task.number, reported.number);
        // It may wait for the store.
        let output = tokio::task::spawn_blocking(move || core.outputs.get(task, attempt))
            .await
            .map_err(|_| stopping())?
            .map_err(Status::internal)?;
        Ok(output.map(|output| (attempt, output)))
    }

    /// Ends a call that waits when the coordinator stops.
    pub(crate) async fn unless_stopped<T>(&self, call: impl Future<Output = T>) -> Result<T, Status> {
        tokio::select! {
            () = self.shutdown.cancelled() => Err(stopping()),
            done = call => Ok(done),
        }
    }
}

pub(crate) fn stopping() -> Status {
    swarm_proto::reason::status(
        Reason::ShuttingDown,
        "the coordinator is stopping",
        Details::default(),
    )
}

const BUSY: &str = "the coordinator has more to write than it may take on; try again in a second";

const DISK_FULL: &str = "the disk of the coordinator is almost full; work that has begun can still end";

/// A refusal to try again a little later.
pub(crate) fn busy(why: &str) -> Status {
    later(Reason::Busy, why)
}

pub(crate) fn later(reason: Reason, why: &str) -> Status {
    let details = Details {
        retry_after: Some(BUSY_RETRY_AFTER),
        ..Details::default()
    };
    swarm_proto::reason::status(reason, why, details)
}

/// The same for a part of a request.
pub(crate) fn refusal((reason, why): (Reason, &str)) -> v1::Refusal {
    v1::Refusal {
        reason: reason.as_str().to_owned(),
        message: why.to_owned(),
    }
}

/// A status for one bad field.
pub(crate) fn invalid(field: &str, description: impl Into<String>) -> Status {
    let mut faults = Faults::default();
    faults.add(FaultKind::Field, field, description);
    status::status_of(&Rejection::Invalid(faults))
}
