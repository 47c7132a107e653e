//! What an attempt printed.

use bytes::Bytes;
use prost::Message as _;
use swarm_engine::noun::outcome::Output;
use swarm_proto::store;

use super::error::{Fault, StoredError};

/// What an attempt printed, as stored.
pub fn encode_output(output: &Output) -> Vec<u8> {
    write_output(output).encode_to_vec()
}

/// Reads what an attempt printed.
///
/// # Errors
///
/// When the bytes are no output.
pub fn decode_output(bytes: &[u8]) -> Result<Output, StoredError> {
    store::OutputRecord::decode(bytes)
        .map(read_output)
        .map_err(Fault::from)
        .map_err(StoredError::reading("the output of an attempt"))
}

pub(super) fn write_output(output: &Output) -> store::OutputRecord {
    store::OutputRecord {
        stdout: Bytes::copy_from_slice(&output.stdout),
        stderr: Bytes::copy_from_slice(&output.stderr),
        stdout_bytes: output.stdout_bytes,
        stderr_bytes: output.stderr_bytes,
        removed_files: output.removed_files,
        removed_bytes: output.removed_bytes,
    }
}

pub(super) fn read_output(stored: store::OutputRecord) -> Output {
    Output {
        stdout: stored.stdout.into(),
        stderr: stored.stderr.into(),
        stdout_bytes: stored.stdout_bytes,
        stderr_bytes: stored.stderr_bytes,
        removed_files: stored.removed_files,
        removed_bytes: stored.removed_bytes,
    }
}
