//! The gRPC server.
//!
//! Every limit that keeps a stranger from filling memory
//! is set explicitly: tonic turns several of hyper's defaults off.

mod incoming;
mod metered;
mod services;
mod status;

use std::{sync::Arc, time::Duration};

use swarm_proto::{
    limits::MAX_CALLS_PER_CONNECTION,
    limits::MAX_MESSAGE_BYTES,
    v1::{
        admin_service_server, admin_service_server::AdminServiceServer, agent_service_server,
        agent_service_server::AgentServiceServer, coordinator_service_server,
        coordinator_service_server::CoordinatorServiceServer, queue_service_server,
        queue_service_server::QueueServiceServer, task_service_server,
        task_service_server::TaskServiceServer,
    },
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::{service::Routes, transport::Server};
use tonic_health::{ServingStatus, server::HealthReporter};

use crate::{
    core::meters::Meters,
    program::limits::{CALL_PATIENCE, CONNECTION_AGE, CONNECTION_GRACE, STOP_PATIENCE},
    request::Requests,
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

/// Serves until the shutdown, and then answers what is under way for a bounded time.
pub(crate) async fn serve(
    listener: TcpListener,
    requests: Requests,
    meters: Arc<Meters>,
    shutdown: CancellationToken,
) -> Result<(), tonic::transport::Error> {
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
        .layer(metered::Metered(meters))
        .timeout(CALL_PATIENCE)
        .max_connection_age(CONNECTION_AGE)
        .max_connection_age_grace(CONNECTION_GRACE)
        .max_concurrent_streams(MAX_CALLS_PER_CONNECTION)
        .http2_max_pending_accept_reset_streams(Some(MAX_PENDING_RESETS))
        .http2_max_local_error_reset_streams(Some(MAX_ERROR_RESETS))
        .http2_max_header_list_size(MAX_HEADER_BYTES)
        .http2_keepalive_interval(Some(KEEP_ALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEP_ALIVE_TIMEOUT))
        .add_routes(routes(requests))
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
pub(crate) fn routes(requests: Requests) -> Routes {
    let services = services::Services(requests);
    macro_rules! limited {
        ($server:ident) => {
            $server::new(services.clone())
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
