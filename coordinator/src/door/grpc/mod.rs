//! The gRPC server.
//!
//! A connection brings calls. A call's message arrives, is handed to its service, and its answer leaves; what arrives,
//! is read and leaves is counted, so that no stranger fills the memory.

mod connection;
mod incoming;
mod life;

mod call;
mod method;
mod weight;

mod arriving;
mod leaving;

mod metered;
mod services;
mod status;

use std::sync::Arc;

use swarm_proto::{
    call::DETAILS_DESCRIPTOR_SET,
    limits::MAX_MESSAGE_BYTES,
    v1::{
        admin_service_server, admin_service_server::AdminServiceServer, agent_service_server,
        agent_service_server::AgentServiceServer, coordinator_service_server,
        coordinator_service_server::CoordinatorServiceServer, queue_service_server,
        queue_service_server::QueueServiceServer, task_service_server,
        task_service_server::TaskServiceServer,
    },
};
use tokio::{net::TcpListener, task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic_health::{ServingStatus, server::HealthReporter};

use self::{call::Door, incoming::Incoming};
use crate::{core::Core, program::limits::STOP_PATIENCE, request::Requests};

/// Bytes of a message to the services of others: a name, or a path in the schema.
const MAX_FOREIGN_BYTES: usize = 16 * 1024;

/// Serves until the shutdown, and then answers what is under way for a bounded time.
pub(crate) async fn serve(
    listener: TcpListener,
    most_connections: usize,
    requests: Requests,
    core: &Core,
    shutdown: CancellationToken,
) {
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
            .register_encoded_file_descriptor_set(DETAILS_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let whole = "the compiled schema is whole";
    let services = routes(requests)
        .add_service(health.max_decoding_message_size(MAX_FOREIGN_BYTES))
        .add_service(
            reflection()
                .build_v1()
                .expect(whole)
                .max_decoding_message_size(MAX_FOREIGN_BYTES),
        )
        // grpcurl up to 1.8.7 asks for this one only.
        .add_service(
            reflection()
                .build_v1alpha()
                .expect(whole)
                .max_decoding_message_size(MAX_FOREIGN_BYTES),
        )
        .prepare();
    let door = Arc::new(Door {
        services,
        meters: Arc::clone(core.meters()),
        budget: core.budget().clone(),
    });

    let incoming = Incoming::new(listener, core.budget().clone(), most_connections);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            connection = incoming.next() => {
                connections.spawn(connection::serve(connection, Arc::clone(&door), shutdown.clone()));
            }
            // What has ended is let go.
            Some(_) = connections.join_next() => {}
        }
    }
    drop(incoming);
    // Whoever takes longer is cut off.
    let _ = timeout(STOP_PATIENCE, async {
        while connections.join_next().await.is_some() {}
    })
    .await;
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
