//! Requests with one answer. Each knows its method, so that one function sends any of them.

use tonic::{Request, Response, Status, client::Grpc, codegen::http::uri::PathAndQuery, transport::Channel};
use tonic_prost::ProstCodec;

use crate::{limits::MAX_MESSAGE_BYTES, v1};

/// A request with one answer; the .proto files say which there are.
pub trait Unary: prost::Message + 'static {
    /// The message that answers it.
    type Answer: prost::Message + Default + 'static;

    /// The path of its method, such as `/swarm.v1.TaskService/GetTask`.
    const PATH: &'static str;
}

include!(concat!(env!("OUT_DIR"), "/unary.rs"));

/// Sends a request once.
///
/// # Errors
///
/// The status of a refusal, or of the transport.
pub async fn send<Q: Unary>(channel: Channel, request: Q) -> Result<Response<Q::Answer>, Status> {
    let mut client = Grpc::new(channel)
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES);
    client
        .ready()
        .await
        .map_err(|error| Status::unknown(format!("Service was not ready: {error}")))?;
    let path = PathAndQuery::from_static(Q::PATH);
    client
        .unary(Request::new(request), path, ProstCodec::default())
        .await
}
