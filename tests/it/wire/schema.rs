//! Health and reflection in both versions, with which other people's tools explore the port.

use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::harness::coordinator::Coordinator;

const SERVICES: [&str; 6] = [
    "grpc.health.v1.Health",
    "swarm.v1.AdminService",
    "swarm.v1.AgentService",
    "swarm.v1.CoordinatorService",
    "swarm.v1.TaskService",
    "grpc.reflection.v1",
];

/// Asks for the list of services and for the file of one of them, by one version of the protocol.
macro_rules! reflect {
    ($version:ident, $client:expr) => {{
        use tonic_reflection::pb::$version::{
            ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
            server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
        };
        let client = $client;
        client.call(async {
            let ask = |question| ServerReflectionRequest {
                host: String::new(),
                message_request: Some(question),
            };
            let questions = vec![
                ask(MessageRequest::ListServices(String::new())),
                ask(MessageRequest::FileContainingSymbol(
                    "swarm.v1.CoordinatorService".to_owned(),
                )),
                // What a refusal carries.
                ask(MessageRequest::FileContainingSymbol(
                    "google.rpc.ErrorInfo".to_owned(),
                )),
                ask(MessageRequest::FileContainingSymbol("swarm.v1.Nobody".to_owned())),
            ];
            let mut service = ServerReflectionClient::new(client.channel());
            let mut answers = service
                .server_reflection_info(tokio_stream::iter(questions))
                .await
                .unwrap()
                .into_inner();

            let first = answers
                .message()
                .await
                .unwrap()
                .unwrap()
                .message_response
                .unwrap();
            let MessageResponse::ListServicesResponse(list) = first else {
                panic!("{first:?}")
            };
            let names: Vec<String> = list.service.into_iter().map(|service| service.name).collect();
            for service in SERVICES {
                assert!(
                    names.iter().any(|name| name.starts_with(service)),
                    "{service} is not among {names:?}"
                );
            }
            for _ in 0..2 {
                let found = answers
                    .message()
                    .await
                    .unwrap()
                    .unwrap()
                    .message_response
                    .unwrap();
                let MessageResponse::FileDescriptorResponse(files) = found else {
                    panic!("{found:?}")
                };
                assert!(!files.file_descriptor_proto.is_empty());
            }
            // An unknown name is an error of the answer or of the call; either way it is told.
            match answers.message().await {
                Ok(Some(answer)) => {
                    assert!(matches!(
                        answer.message_response,
                        Some(MessageResponse::ErrorResponse(_))
                    ));
                }
                Ok(None) => panic!("the answer ended"),
                Err(status) => assert_eq!(status.code(), tonic::Code::NotFound),
            }
        });
    }};
}

#[test]
fn reflection_answers_in_both_versions() {
    let coordinator = Coordinator::start();
    reflect!(v1, coordinator.client());
    reflect!(v1alpha, coordinator.client());
}

#[test]
fn health_says_serving_for_the_whole_and_for_the_coordinators_service() {
    let coordinator = Coordinator::start();
    let client = coordinator.client();
    for service in ["", "swarm.v1.CoordinatorService"] {
        let request = HealthCheckRequest {
            service: service.to_owned(),
        };
        let answer = client
            .call(HealthClient::new(client.channel()).check(request))
            .unwrap()
            .into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving, "{service}");
    }
    let request = HealthCheckRequest {
        service: "nobody".to_owned(),
    };
    let status = client
        .call(HealthClient::new(client.channel()).check(request))
        .unwrap_err();
    assert_eq!(status.code(), tonic::Code::NotFound);
}
