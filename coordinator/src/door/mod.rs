//! The ways in: gRPC for programs, HTTP for the page of metrics, a signal for emergencies, and none at all for tests.

pub(crate) mod emergency;
pub(crate) mod grpc;
pub(crate) mod http;
pub mod inside;
pub(crate) mod port;
