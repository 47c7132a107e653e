//! Calls with bytes instead of messages, over a client's connection.

use tonic::Status;

use super::client::Client;

/// Sends these bytes as the message of a call; gives the status with which it was refused, or the first
/// message of the answer. The test fails when nothing of either comes.
pub(crate) fn call(client: &Client, method: &str, body: &[u8]) -> Result<Option<Vec<u8>>, Status> {
    client.call(swarm_tests::raw::call(client.channel(), method, body))
}
