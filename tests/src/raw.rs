//! Calls with bytes instead of messages: what a caller of another kind, or an enemy, can send.

use bytes::{Buf as _, BufMut as _};
use prost::Message as _;
use prost_types::FileDescriptorSet;
use swarm_proto::FILE_DESCRIPTOR_SET;
use tonic::{
    Request, Status,
    body::Body,
    client::{Grpc, GrpcService},
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    codegen::{StdError, http::uri::PathAndQuery},
};

/// Larger than the largest message that is accepted, so that this side refuses nothing.
const NO_LIMIT: usize = 64 * 1024 * 1024;

/// Every method of the protocol as a path, such as `/swarm.v1.TaskService/GetTask`.
pub fn methods() -> Vec<String> {
    let schema = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).expect("the compiled schema is whole");
    let mut methods = Vec::new();
    for file in &schema.file {
        for service in &file.service {
            for method in &service.method {
                methods.push(format!(
                    "/{}.{}/{}",
                    file.package(),
                    service.name(),
                    method.name()
                ));
            }
        }
    }
    methods
}

/// Sends these bytes as the message of a call; gives the first message of the answer.
///
/// # Errors
///
/// The status with which it was refused.
///
/// # Panics
///
/// When `method` is no path.
pub async fn call<T>(service: T, method: &str, body: &[u8]) -> Result<Option<Vec<u8>>, Status>
where
    T: GrpcService<Body>,
    T::Error: Into<StdError>,
    T::ResponseBody: Send + 'static,
    <T::ResponseBody as tonic::codegen::Body>::Error: Into<StdError> + Send,
{
    let path = PathAndQuery::try_from(method).expect("a method is a path");
    let mut grpc = Grpc::new(service)
        .max_encoding_message_size(NO_LIMIT)
        .max_decoding_message_size(NO_LIMIT);
    grpc.ready()
        .await
        .map_err(|error| Status::from_error(error.into()))?;
    // A unary answer is a stream of one.
    let mut answer = grpc
        .server_streaming(Request::new(body.to_vec()), path, Bytes)
        .await?
        .into_inner();
    answer.message().await
}

/// Messages as they are.
struct Bytes;

impl Codec for Bytes {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Bytes;
    type Decoder = Bytes;

    fn encoder(&mut self) -> Bytes {
        Bytes
    }

    fn decoder(&mut self) -> Bytes {
        Bytes
    }
}

impl Encoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        let length = buffer.remaining();
        Ok(Some(buffer.copy_to_bytes(length).to_vec()))
    }
}
