//! The limits of the protocol, each with its reason.
//!
//! The coordinator checks requests by them, clients check before they send, and the .proto files name them.

use std::{ops::RangeInclusive, time::Duration};

/// Bytes of one message in either direction.
pub const MAX_MESSAGE_BYTES: usize = 4 * 1024 * 1024;

/// Bytes of a request that neither brings tasks nor reports outcomes: two thousand leases with an agent's labels, or
/// the three thousand ids of a filter.
pub const MAX_REQUEST_BYTES: usize = 512 * 1024;

/// Requests under way at the same time on one connection: a client with more work opens another one.
pub const MAX_CALLS_PER_CONNECTION: u32 = 256;

/// The longest long poll, of a claim or a heartbeat: below the idle timeouts of what may stand in between.
pub const MAX_WAIT: Duration = Duration::from_secs(30);

/// Characters of an id: it names directories on agents.
pub const MAX_ID_BYTES: usize = 128;

/// Bytes of a name, a version, or who asks: it stands in one cell of a table.
pub const MAX_NAME_BYTES: usize = 200;

/// Bytes of an exclusive group's name, and of a shard key: they have the form of an id.
pub const MAX_GROUP_BYTES: usize = MAX_ID_BYTES;

/// Bytes of the reason for a hold: a sentence.
pub const MAX_REASON_BYTES: usize = 500;

/// Labels, or metadata, of one thing: people read them, and filters visit each.
pub const MAX_PAIRS: usize = 64;

/// Bytes of the key of a label or of metadata.
pub const MAX_KEY_BYTES: usize = 128;

/// Bytes of the value of a label or of metadata. Longer text belongs into an input or output.
pub const MAX_VALUE_BYTES: usize = 1_024;

/// Bytes of an agent's labels together: they are in memory as long as the agent is known, and each claim reads them.
pub const MAX_AGENT_LABELS_BYTES: usize = 4 * 1024;

/// Terms of one selector: each is looked at for each agent.
pub const MAX_SELECTOR_TERMS: usize = 16;

/// Bytes of a label's key in a selector.
pub const MAX_TERM_KEY_BYTES: usize = 63;

/// Bytes of a label's value in a selector.
pub const MAX_TERM_VALUE_BYTES: usize = 200;

/// Tasks in one submit. Ten thousand events are decided and applied in some tens of milliseconds.
pub const MAX_SUBMIT_TASKS: usize = 10_000;

/// Bytes of a task's spec: it stays in memory while the task is queued.
pub const MAX_SPEC_BYTES: usize = 64 * 1024;

/// Dependencies of one task. Each costs a visit whenever the task changes; for more of them, put tasks in between.
pub const MAX_DEPENDENCIES: usize = 1_000;

/// The lowest and the highest priority: a scale that people can keep in mind, with room between the named ones.
pub const PRIORITIES: RangeInclusive<i32> = -100..=100;

/// Retries that a task may ask for.
pub const MAX_RETRIES: u32 = 100;

/// The longest backoff that a task may ask for.
pub const MAX_BACKOFF: Duration = Duration::from_secs(24 * 60 * 60);

/// The longest time that one attempt may run, and that a drained agent may go on.
pub const MAX_TIMEOUT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// How far ahead a task may be put off, so that no arithmetic on times overflows.
pub const MAX_DELAY: Duration = Duration::from_secs(10 * 366 * 24 * 60 * 60);

/// Entries of tasks that no agent can run, in the answer to a submit; a person reads the first few.
pub const MAX_UNMATCHED: usize = 32;

/// Tasks named in such an entry.
pub const MAX_UNMATCHED_IDS: usize = 10;

/// Items of a cancel or retry, and reports of a complete, in one request: they are decided together.
pub const MAX_ITEMS: usize = 1_000;

/// Items on one page of a list: they are visited under one lock.
pub const MAX_PAGE_ITEMS: usize = 1_000;

/// Ids of each kind in the filter of an event stream: each event is compared with them.
pub const MAX_FILTER_IDS: usize = 1_000;

/// Slots of one agent: above any machine's processors; a typo should not take a whole queue.
pub const MAX_SLOTS: u32 = 1_000;

/// Ways to carry out tasks that an agent may name; there are few.
pub const MAX_EXECUTORS: usize = 16;

/// Patterns of programs in the rules of an agent's owner: each is compared with each queued program.
pub const MAX_RULE_PATTERNS: usize = 64;

/// Bytes of such a pattern.
pub const MAX_RULE_PATTERN_BYTES: usize = 200;

/// Bytes of a program's name that a rule can name: no path is longer.
pub const MAX_PROGRAM_BYTES: usize = 4096;

/// Leases that an agent may hold, and list in a heartbeat or registration; above its slots and outbox. They are lost
/// in one decision when it registers anew or leaves.
pub const MAX_HELD_LEASES: usize = 2_000;

/// Bytes of a heartbeat: some two thousand leases.
pub const MAX_HEARTBEAT_BYTES: usize = 256 * 1024;

/// Tasks granted by one claim, so that the answer stays well under a message's limit.
pub const MAX_CLAIM_TASKS: u32 = 100;

/// Queues that one claim may name; each is looked up under the lock.
pub const MAX_CLAIM_QUEUES: usize = 64;

/// Bytes of a claim's request id: it is journaled with each lease.
pub const MAX_REQUEST_ID_BYTES: usize = 64;

/// Tasks that a claim with a limit looks at.
pub const MAX_SCAN: u32 = 1_000;

/// Parts that the tasks can be cut into: so many buckets there are.
pub const MAX_SHARDS: u32 = 256;

/// The end of each output stream that an agent keeps and reports, in bytes.
pub const OUTPUT_TAIL_BYTES: usize = 64 * 1024;

/// Bytes of a failure's reason: a word for programs.
pub const MAX_FAILURE_REASON_BYTES: usize = 64;

/// Bytes of a failure's or release's message: it is journaled, and kept for each remembered attempt.
pub const MAX_FAILURE_MESSAGE_BYTES: usize = 2 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    const MANUAL: [&str; 5] = [
        include_str!("../swarm/v1/task.proto"),
        include_str!("../swarm/v1/task_service.proto"),
        include_str!("../swarm/v1/coordinator_service.proto"),
        include_str!("../swarm/v1/agent_service.proto"),
        include_str!("../swarm/v1/agent.proto"),
    ];

    /// What the .proto files say of a field, such as `TaskSpec.name`.
    fn comment(path: &str) -> String {
        let (message, field) = path.split_once('.').unwrap();
        let found = MANUAL.iter().find_map(|file| {
            let (_, body) = file.split_once(&format!("message {message} {{\n"))?;
            body.split_once(&format!(" {field} = "))
        });
        let (before, _) = found.unwrap_or_else(|| panic!("there is no {path}"));
        let lines: Vec<&str> = before.lines().rev().skip(1).collect();
        let lines = lines.iter().map_while(|line| line.trim().strip_prefix("// "));
        lines
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
            .collect::<Vec<_>>()
            .join(" ")
    }

    fn grouped(number: usize) -> String {
        match (number / 1000, number % 1000) {
            (0, rest) => rest.to_string(),
            (thousands, rest) => format!("{thousands},{rest:03}"),
        }
    }

    #[test]
    fn the_manual_names_the_limits() {
        let bytes = |bytes: usize| format!("at most {bytes} bytes");
        let kibibytes = |bytes: usize| format!("at most {} KiB", bytes / 1024);
        let most = |count: usize| format!("at most {}", grouped(count));
        let days = |time: Duration| format!("at most {} day", time.as_secs() / 86_400);
        for (field, expected) in [
            ("TaskSpec.name", bytes(MAX_NAME_BYTES)),
            (
                "TaskSpec.priority",
                format!("{} to {}", PRIORITIES.start(), PRIORITIES.end()),
            ),
            ("TaskSpec.depends_on", most(MAX_DEPENDENCIES)),
            ("TaskSpec.labels", format!("at most {MAX_PAIRS} pairs")),
            ("TaskSpec.metadata", format!("at most {MAX_PAIRS} pairs")),
            ("TaskSpec.timeout", days(MAX_TIMEOUT)),
            ("TaskSpec.exclusive_group", bytes(MAX_GROUP_BYTES)),
            ("TaskSpec.shard_key", format!("At most {MAX_GROUP_BYTES} bytes")),
            ("Requirements.labels", most(MAX_SELECTOR_TERMS)),
            (
                "Requirements.labels",
                format!("1 to {MAX_TERM_KEY_BYTES} and 0 to {MAX_TERM_VALUE_BYTES}"),
            ),
            ("Retry.max_retries", most(MAX_RETRIES as usize)),
            ("Retry.max_backoff", days(MAX_BACKOFF)),
            ("Output.stdout", format!("last {} KiB", OUTPUT_TAIL_BYTES / 1024)),
            (
                "SubmitTasksRequest.tasks",
                format!("1 to {}", grouped(MAX_SUBMIT_TASKS)),
            ),
            ("NewTask.task_id", format!("1 to {MAX_ID_BYTES}")),
            ("NewTask.spec", kibibytes(MAX_SPEC_BYTES)),
            ("SubmitTasksResponse.unmatched", most(MAX_UNMATCHED)),
            ("Unmatched.task_ids", most(MAX_UNMATCHED_IDS)),
            ("ListTasksRequest.page_size", most(MAX_PAGE_ITEMS)),
            (
                "CancelTasksRequest.task_ids",
                format!("1 to {}", grouped(MAX_ITEMS)),
            ),
            ("RemoveTasksRequest.tasks", format!("1 to {}", grouped(MAX_ITEMS))),
            (
                "RegisterAgentRequest.slots",
                format!("1 to {}", grouped(MAX_SLOTS as usize)),
            ),
            ("RegisterAgentRequest.labels", kibibytes(MAX_AGENT_LABELS_BYTES)),
            ("RegisterAgentRequest.held", most(MAX_HELD_LEASES)),
            (
                "OwnerRules.programs",
                format!("at most {MAX_RULE_PATTERNS}, each 1 to {MAX_RULE_PATTERN_BYTES} bytes"),
            ),
            ("ClaimRequest.max_tasks", most(MAX_CLAIM_TASKS as usize)),
            ("ClaimRequest.wait", format!("at most {} s", MAX_WAIT.as_secs())),
            ("ClaimRequest.queues", most(MAX_CLAIM_QUEUES)),
            (
                "ClaimRequest.request_id",
                format!("At most {MAX_REQUEST_ID_BYTES} bytes"),
            ),
            ("ClaimRequest.scan_limit", most(MAX_SCAN as usize)),
            ("HeartbeatRequest.leases", most(MAX_HELD_LEASES)),
            (
                "HeartbeatRequest.wait",
                format!("at most {} s", MAX_WAIT.as_secs()),
            ),
            ("CompleteRequest.results", most(MAX_ITEMS)),
            ("AttemptReport.output", kibibytes(2 * OUTPUT_TAIL_BYTES)),
            ("Failure.reason", bytes(MAX_FAILURE_REASON_BYTES)),
            ("Failure.message", kibibytes(MAX_FAILURE_MESSAGE_BYTES)),
            ("StreamEventsRequest.task_ids", most(MAX_FILTER_IDS)),
            ("DrainAgentRequest.timeout", days(MAX_TIMEOUT)),
            ("DrainAgentRequest.reason", bytes(MAX_REASON_BYTES)),
        ] {
            let said = comment(field);
            let agrees = said.to_lowercase().contains(&expected.to_lowercase());
            assert!(agrees, "{field}: '{expected}' is not in '{said}'");
        }
    }
}
