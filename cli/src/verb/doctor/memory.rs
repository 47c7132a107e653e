//! The memory that a coordinator lets requests, answers and tasks take, by its status.

use swarm_program::doctor::report::Report;
use swarm_proto::v1::{GetStatusResponse, MemoryShare};

use crate::output::{memory, text};

const CHECK: &str = "memory";
const GIVE_MORE: &str = "give the coordinator more: a larger --memory on a machine, or in a cgroup, that has as much; \
                         and have it keep less: --keep-tasks";

/// Checks what a coordinator tells of its memory; an older one tells nothing.
pub(super) fn check(report: &mut Report, status: &GetStatusResponse) {
    if status.memory.is_empty() {
        return;
    }
    let full: Vec<String> = status
        .memory
        .iter()
        .filter(|share| is_almost_full(share))
        .map(memory::share)
        .collect();
    if full.is_empty() {
        report.well(CHECK, memory::all(status));
    } else {
        report.notable(CHECK, format!("almost full: {}", full.join(", ")), GIVE_MORE);
    }
    let refused: u64 = status.memory.iter().map(|share| share.refused).sum();
    if refused > 0 {
        let requests = text::counted(refused, "request");
        report.notable(
            CHECK,
            format!("{requests} found no room since the start of the coordinator"),
            GIVE_MORE,
        );
    }
}

fn is_almost_full(share: &MemoryShare) -> bool {
    share.bytes > share.limit_bytes / 10 * 9
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(bytes: u64, refused: u64) -> String {
        let share = MemoryShare {
            purpose: "state".to_owned(),
            bytes,
            limit_bytes: 1 << 30,
            refused,
        };
        let status = GetStatusResponse {
            memory: vec![share],
            ..GetStatusResponse::default()
        };
        let mut report = Report::default();
        check(&mut report, &status);
        report.to_string()
    }

    #[test]
    fn memory_that_is_almost_full_and_requests_without_room_are_notable() {
        assert!(said(1 << 20, 0).contains("state 1 MiB of 1 GiB"));
        let full = said(1 << 30, 0);
        assert!(
            full.contains("almost full: state 1 GiB") && full.contains("--memory"),
            "{full}"
        );
        assert!(said(0, 7).contains("7 requests found no room"));
    }
}
