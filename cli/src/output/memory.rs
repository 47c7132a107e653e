//! The shares of a coordinator's memory.

use swarm_program::words::clean::clean_line;
use swarm_proto::v1::{GetStatusResponse, MemoryShare};

use super::text;

/// All shares in one line; nothing of a coordinator that tells none.
pub fn all(status: &GetStatusResponse) -> String {
    let shares: Vec<String> = status.memory.iter().map(share).collect();
    shares.join(", ")
}

/// `answers 12.3 MiB of 256.0 MiB`.
pub fn share(share: &MemoryShare) -> String {
    format!(
        "{} {} of {}",
        clean_line(&share.purpose),
        text::bytes(share.bytes),
        text::bytes(share.limit_bytes)
    )
}
