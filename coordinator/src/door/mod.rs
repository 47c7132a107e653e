//! The ways in: gRPC for programs, HTTP for the page of metrics, and none at all for tests.

pub(crate) mod grpc;
pub(crate) mod http;
pub mod inside;
