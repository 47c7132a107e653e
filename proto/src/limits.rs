//! The limits of the protocol, each with its reason.
//!
//! The coordinator checks requests by them, clients check before they send, and the .proto files name them.

use std::{ops::RangeInclusive, time::Duration};

/// Bytes of one message in either direction.
pub const MAX_MESSAGE_BYTES: usize = 4 * 1024 * 1024;

/// Requests under way at the same time on one connection: a client with more work opens another one.
pub const MAX_CALLS_PER_CONNECTION: u32 = 1_024;

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

/// Tasks that a claim passes over because their agent failed or refused them lately.
pub const MAX_SCAN: u32 = 1_000;

/// Parts that the tasks can be cut into: so many buckets there are.
pub const MAX_SHARDS: u32 = 256;

/// The end of each output stream that an agent keeps and reports, in bytes.
pub const OUTPUT_TAIL_BYTES: usize = 64 * 1024;

/// Bytes of a failure's reason: a word for programs.
pub const MAX_FAILURE_REASON_BYTES: usize = 64;

/// Bytes of a failure's or release's message: it is journaled, and kept for each remembered attempt.
pub const MAX_FAILURE_MESSAGE_BYTES: usize = 2 * 1024;
