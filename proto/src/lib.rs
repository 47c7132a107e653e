//! The protocol: generated messages and services, and what both ends of a
//! connection must agree on. The .proto files beside this crate are the manual.

pub mod limits;

pub mod reason;
pub mod refusal;

pub mod call;
pub mod channel;
pub mod probe;
pub mod unary;

pub mod duration;
pub mod json;
pub mod mask;
pub mod output;
pub mod rules;
pub mod terminal;

/// Messages and services of the wire, package `swarm.v1`.
#[allow(clippy::all, clippy::pedantic, unreachable_pub, missing_docs, rustdoc::all)]
pub mod v1 {
    tonic::include_proto!("swarm.v1");
}

/// Messages that only the coordinator writes to its disk, package `swarm.store.v1`.
#[allow(clippy::all, clippy::pedantic, unreachable_pub, missing_docs, rustdoc::all)]
pub mod store {
    tonic::include_proto!("swarm.store.v1");
}

/// The encoded `FileDescriptorSet` of `swarm.v1`, with comments and imports.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/swarm.v1.bin"));

/// The port that a coordinator listens on unless told otherwise.
pub const DEFAULT_PORT: u16 = 50051;
