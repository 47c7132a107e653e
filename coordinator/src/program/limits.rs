//! Every bound of the coordinator that is neither the protocol's nor the engine's, with its reason.

use std::{ops::RangeInclusive, time::Duration};

use swarm_engine::limits as engine;
use swarm_proto::limits as protocol;

const MIB: u64 = 1024 * 1024;

// The engine depends on nothing of ours and has the protocol's limits of its own requests once more.
const _: () = {
    assert!(engine::MAX_ID_BYTES == protocol::MAX_ID_BYTES);
    assert!(engine::MAX_SELECTOR_TERMS == protocol::MAX_SELECTOR_TERMS);
    assert!(engine::MAX_LABEL_KEY_BYTES == protocol::MAX_TERM_KEY_BYTES);
    assert!(engine::MAX_LABEL_BYTES == protocol::MAX_TERM_VALUE_BYTES);
    assert!(engine::MAX_SUBMIT_TASKS == protocol::MAX_SUBMIT_TASKS);
    assert!(engine::MAX_SPEC_BYTES == protocol::MAX_SPEC_BYTES);
    assert!(engine::MAX_DEPENDENCIES == protocol::MAX_DEPENDENCIES);
    assert!(engine::MAX_RETRIES == protocol::MAX_RETRIES);
    assert!(engine::MAX_ASKED_BACKOFF.as_nanos() == protocol::MAX_BACKOFF.as_nanos());
    assert!(engine::MAX_TIMEOUT.as_nanos() == protocol::MAX_TIMEOUT.as_nanos());
    assert!(engine::MAX_DELAY.as_nanos() == protocol::MAX_DELAY.as_nanos());
    assert!(engine::MAX_ITEMS == protocol::MAX_ITEMS);
    assert!(engine::MAX_HELD_LEASES == protocol::MAX_HELD_LEASES);
    assert!(engine::MAX_CLAIM_TASKS == protocol::MAX_CLAIM_TASKS as usize);
    assert!(engine::MAX_SCAN == protocol::MAX_SCAN);
    assert!(engine::MAX_PROGRAM_BYTES == protocol::MAX_PROGRAM_BYTES);
    assert!(engine::MAX_SHARDS as u32 == protocol::MAX_SHARDS);
    // A page is visited under one lock.
    assert!(protocol::MAX_PAGE_ITEMS <= engine::MAX_VISITED);
};

/// Memory that others may take where the system does not say how much there is.
pub const MEMORY_UNKNOWN: u64 = 2 * 1024 * 1024 * 1024;

/// From so much memory for others on, the system may give the process huge pages. They take some 40 MiB of an idle
/// coordinator and half as much again of a busy one, and save a fifteenth of the processor.
pub const HUGE_PAGES_FROM: u64 = 2 * 1024 * 1024 * 1024;

/// Bytes of requests that are arriving: a few of the largest at least, and on a large machine so many that all agents
/// of a large swarm can report at once.
pub const READING_BYTES: RangeInclusive<u64> = 16 * MIB..=256 * MIB;
/// Requests of one address that are arriving may take this part of that: half, so that others have as much, and all of
/// a site behind one router can report.
pub const READING_PART_OF_AN_ADDRESS: u64 = 2;
/// Bytes of requests that are being answered: the largest takes `MAX_DECODED_BYTES`.
pub const DECODING_BYTES: RangeInclusive<u64> = 64 * MIB..=512 * MIB;
/// Bytes of answers that wait for their peers: a few pages at least, and on a large machine one for many readers.
pub const ANSWERS_BYTES: RangeInclusive<u64> = 16 * MIB..=256 * MIB;
/// Bytes of tasks, jobs, agents and orders in any case.
pub const LEAST_STATE_BYTES: u64 = 32 * MIB;

/// Bytes of memory of one request: twice those of a message of the largest size with ten thousand tasks. A message may
/// say in two bytes what takes hundreds in memory.
pub const MAX_DECODED_BYTES: u64 = 48 * MIB;

// The largest request has room where there is least: as it arrives, with a fourth for its headers, and as it is
// answered, beside its bytes.
const _: () = {
    let of_an_address = *READING_BYTES.start() / READING_PART_OF_AN_ADDRESS;
    assert!(protocol::MAX_MESSAGE_BYTES as u64 / 4 * 5 <= of_an_address / 8 * 7);
    assert!(MAX_DECODED_BYTES + 2 * protocol::MAX_MESSAGE_BYTES as u64 <= *DECODING_BYTES.start() / 8 * 7);
};

/// What takes no more memory is small: most requests and answers.
pub const SMALL_BYTES: u64 = 64 * 1024;

/// Bytes of a call that has begun: what HTTP/2, the runtime and the door keep of it.
pub const CALL_BYTES: u64 = 4 * 1024;
/// Bytes of one header of a call beside its name and its value.
pub const HEADER_BYTES: u64 = 160;

/// What waits for its peer is not given up for others before this time: a good network is quicker.
pub const WAITING_IS_SAFE_FOR: Duration = Duration::from_secs(1);
/// The same while its peer takes something now and then: on a slow uplink the largest answer needs a minute, and most
/// need far less.
pub const SLOW_IS_SAFE_FOR: Duration = Duration::from_secs(30);
/// So many that take something are passed over at a time in the look for some to give up: some ten microseconds.
pub const MAX_PASSED_OVER: usize = 100;

/// Events that the store does not have yet, above which submits are refused: some seconds of its work, which a start
/// after a kill has to do before it serves, and a tenth of the memory of a million tasks.
pub const SUBMIT_BACKLOG_EVENTS: u64 = 100_000;
/// The same for claims, which are shed after submits.
pub const CLAIM_BACKLOG_EVENTS: u64 = 150_000;
/// The same for everything else but completions and heartbeats, which are never refused for it: there are at
/// most as many completions as there are leases.
pub const OTHER_BACKLOG_EVENTS: u64 = 200_000;

/// Bytes of specs that the store does not have yet, above which submits and claims are refused: some seconds of its
/// work. They are in the state, too, whose share bounds their memory.
pub const SPECS_BACKLOG_BYTES: u64 = 256 * MIB;
/// The same for everything else but completions and heartbeats.
pub const OTHER_SPECS_BACKLOG_BYTES: u64 = 512 * MIB;

/// Bytes of outputs that the store does not have yet, above which completions are refused; the agents keep them until
/// there is room. They are nowhere else in memory: a fourth of what others may take of it, within these bounds, of
/// which the higher is some seconds of work of a slow store.
pub const OUTPUTS_BACKLOG_BYTES: RangeInclusive<u64> = 64 * MIB..=1024 * MIB;
/// Everything else but completions and heartbeats is refused above this part of it.
pub const OTHER_OUTPUTS_PART: u64 = 2;
/// Submits and claims are refused above this part of it.
pub const WORK_OUTPUTS_PART: u64 = 4;

// The store is not behind because of one group commit.
const _: () = assert!(COMMIT_BYTES <= *OUTPUTS_BACKLOG_BYTES.start() / WORK_OUTPUTS_PART);

/// How long a refused caller should wait: the backlog is gone by then.
pub const BUSY_RETRY_AFTER: Duration = Duration::from_secs(1);

/// Claims that may wait at the same time: one for each of many more agents than one machine serves.
pub const MAX_WAITERS: usize = 100_000;

/// Bytes of queues' names and tokens of the claims that wait: sixteen times those of a thousand agents that each name
/// ten queues. What comes beyond them is answered at once.
pub const MAX_WAITERS_BYTES: usize = 16 * 1024 * 1024;

/// Event streams that may be open at the same time.
pub const MAX_STREAMS: usize = 4_096;
/// Streams of any kind that may be open from one address: a site of people who look, behind one router.
pub const MAX_STREAMS_PER_ADDRESS: usize = 64;
/// Streams of any kind that may be open on one connection: a program needs one or two.
pub const MAX_STREAMS_PER_CONNECTION: usize = 32;

/// A filtered stream that has sent nothing for this long sends its bare position.
pub const POSITION_INTERVAL: Duration = Duration::from_secs(30);

/// Bytes of the newest events that are kept decoded for followers; a slower reader reads the journal's files.
pub const TAIL_BYTES: usize = 16 * 1024 * 1024;

/// Events in one page of a reader: enough to amortise a wake-up.
pub const PAGE_EVENTS: usize = 200;

/// Bytes in one page of a reader: what it holds while nobody takes it.
pub const PAGE_BYTES: usize = 64 * 1024;

/// Readers of old events that read the disk at the same time.
pub const EVENT_READERS: usize = 8;

/// How long a request may wait after a start because it names tasks that are not in memory, until all ids in the store
/// have been read: some millions of them.
pub const IDS_PATIENCE: Duration = Duration::from_secs(10);

/// Reading a page of the store that takes longer than this never ends: a slow disk reads it in a second.
pub const SCRUB_PATIENCE: Duration = Duration::from_secs(60);

/// Tasks forgotten at a time: each costs a few map operations under the lock.
pub const FORGET_STEP: usize = 1_000;

/// Bytes of records that one request may bring back into memory: above any honest request, whose message is
/// at most 4 MiB, unless it depends on a thousand finished tasks of the largest size, or on half as many where there is
/// little memory. All requests together bring back a fourth of what others may take of the memory.
pub const RECALL_BYTES: RangeInclusive<u64> = 32 * MIB..=64 * MIB;

/// Records looked up together: even the largest stay below what one request may bring back.
pub const RECALL_STEP: usize = 128;

/// No record of a task is larger: it has the spec, the dependencies once more, and some KiB for each attempt.
const LARGEST_TASK_BYTES: usize = 3 * protocol::MAX_SPEC_BYTES;

const _: () = assert!((RECALL_STEP * LARGEST_TASK_BYTES) as u64 <= *RECALL_BYTES.start());

/// Memory of the filter that knows the ids in the store: room for thirty million. With more of them, new ids are looked
/// up in vain more often.
pub const MAX_STORED_IDS_BYTES: usize = 64 * 1024 * 1024;

/// Ids noted under one lock.
pub const STORED_IDS_STEP: usize = 1_000;

/// Requests that read the store at the same time, so that what they bring into memory is bounded: fewer where there is
/// little memory, and two at least, so that one with a great deal to read does not stop the others.
pub const STORE_READERS: RangeInclusive<u64> = 2..=8;

/// Pages of lists that are made at the same time: each holds `LIST_BYTES` and keeps a thread busy for milliseconds.
pub const LISTS: usize = 4;

/// Bytes of records that one page of a list reads from the store.
pub const LIST_BYTES: usize = 8 * 1024 * 1024;

/// The longest pause between two sweeps for tasks that ended long ago.
pub const RETENTION_INTERVAL: Duration = Duration::from_secs(60);

/// How long an agent is kept at least after it was last heard of, though finished tasks are kept for a shorter time: an
/// idle one calls several times within it.
pub const AGENTS_KEPT: Duration = Duration::from_secs(600);

/// Pauses between two warnings that the clock may be wrong: nothing is removed meanwhile.
pub const RETENTION_WARNING: Duration = Duration::from_secs(3600);

/// An answer of which nothing is taken for this long is ended: a reader of events goes on where it was when it comes
/// back.
pub const ANSWER_PATIENCE: Duration = Duration::from_secs(45);

/// How long a request that has arrived waits for memory: others are answered in some milliseconds.
pub const ROOM_PATIENCE: Duration = Duration::from_secs(2);

/// Bytes that a peer may send on a stream before we have read them, and on its connection: enough for a fast network.
pub const STREAM_WINDOW_BYTES: u32 = 1024 * 1024;
/// The same for all streams of a connection together.
pub const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;

/// Bytes of an answer that are ready to be written to the connection.
pub const MAX_SEND_BUFFER_BYTES: usize = 256 * 1024;

/// Free bytes of the disk below which submits are refused: some gigabytes of tasks fit into the smallest disks
/// that people use, and this is little of them.
pub const SUBMIT_FREE_BYTES: u64 = 64 * 1024 * 1024;

/// The same for claims: twice a journal segment, for the next one and for what the store writes of the work that
/// has begun.
pub const CLAIM_FREE_BYTES: u64 = 32 * 1024 * 1024;

/// Free bytes below which the store waits: the size of its smallest full batch on disk. This is less than claims leave,
/// so that the store still takes the tasks that end.
pub const STORE_FREE_BYTES: u64 = STORE_KEY_BYTES * STORE_SCARCE_OPERATIONS as u64;

/// Bytes written to change one key when none of its neighbours changes: a leaf of 4 KiB in the window's file, in sled's
/// log, and about twice more with the nodes that sled writes anew.
pub const STORE_KEY_BYTES: u64 = 4 * 4096;

/// Bytes of a segment of the journal: few enough that a new data directory takes little space and a segment is zeroed
/// in some ten milliseconds; enough that a busy coordinator begins a segment less than once a second.
pub const SEGMENT_BYTES: u64 = 16 * 1024 * 1024;

// Claims leave space for a segment of the journal and for the store.
const _: () = assert!(STORE_FREE_BYTES + SEGMENT_BYTES <= CLAIM_FREE_BYTES);

/// Bytes of records that may be replaced in the store while a snapshot is taken, before the store waits for the
/// snapshot: an eighth of what the state may take, within these bounds. Each task that ends meanwhile may take half a
/// kilobyte of them.
pub const FROZEN_BYTES: RangeInclusive<u64> = 32 * MIB..=1024 * MIB;

/// Pauses of the store between two looks at its work: some group commits of the journal.
pub const STORE_PAUSE: Duration = Duration::from_millis(10);

/// How long the store collects events that it writes together: records of neighbouring tasks share a leaf, and of a
/// task that lived shorter only its end is written. A start may have to replay so much more, and finished tasks stay in
/// memory so much longer.
pub const STORE_PATIENCE: Duration = Duration::from_millis(100);

/// Keys of one batch of the store, about: readers of the store wait while the batch is written. When no two keys are
/// neighbours, these are 20 MB of leaves, which are in memory three times and written twice.
pub const STORE_BATCH_OPERATIONS: usize = 5_000;
/// Keys of one batch when the disk is too full for more.
pub const STORE_SCARCE_OPERATIONS: usize = 1_000;
/// Bytes of one batch, for the same reason.
pub const STORE_BATCH_BYTES: usize = 4 * 1024 * 1024;
/// Events of one batch, for the same reason; events of the same tasks change few keys.
pub const STORE_BATCH_EVENTS: usize = 40_000;

/// Pauses between two looks at the free space while the store waits for it.
pub const SPACE_PAUSE: Duration = Duration::from_millis(200);

/// Pauses between two turns of the upkeep: younger events may be cut from the journal's end unnoticed.
pub const UPKEEP_INTERVAL: Duration = Duration::from_secs(1);

/// The pause after old events could not be removed: a person has to mend the cause.
pub const TRIM_RETRY: Duration = Duration::from_secs(60);

/// Bytes of dependencies' outputs in one answer to a claim.
pub const CLAIM_OUTPUT_BYTES: usize = 1024 * 1024;

/// How long a stop waits for calls that are being answered.
pub const STOP_PATIENCE: Duration = Duration::from_secs(5);

/// Pauses between heartbeats are this fraction of the lease's TTL: two may be lost.
pub const HEARTBEATS_PER_TTL: u32 = 3;

/// Unmet dependencies named in one task's message; the others are only counted.
pub const MAX_SHOWN_DEPENDENCIES: usize = 100;

/// Holds on the page of status: a person reads the first few, and each has a reason of up to 500 bytes.
pub const MAX_SHOWN_HOLDS: usize = 200;

/// Kinds of passed tasks told with an empty claim.
pub const MAX_PASSED: usize = 10;

/// Jobs whose names one read compares under the lock: a millisecond or two.
pub const MAX_JOBS_VISITED: usize = 10_000;

/// Classes of tasks for which a submit, or the status, looks for an agent: each may ask a thousand agents, so that all
/// of them take some milliseconds.
pub const MAX_CLASSES_VISITED: usize = 200;

/// Patterns of owners with which a submit, or the status, compares the programs of tasks: some ten milliseconds.
pub const MAX_PATTERNS_COMPARED: usize = 200_000;

/// Bytes of an event's summary: one line, also where an agent sent a long message.
pub const MAX_SUMMARY_BYTES: usize = 300;

/// Bytes of a refusal's message. It travels twice in a trailer, once percent-encoded, beside 6 KiB of details,
/// and clients refuse trailers of more than 16 KiB.
pub const MAX_REFUSAL_BYTES: usize = 1_024;

/// Bytes of a caller's text that a message quotes back: enough to recognise it.
pub const MAX_QUOTED_BYTES: usize = 64;

/// Events in one group commit, beyond which the next decision waits for the next one: far below what a journal
/// entry may hold, and a reader of old events never has to check much more than it wants.
pub const COMMIT_EVENTS: usize = 20_000;

/// Bytes of specs and outputs in one group commit, likewise.
pub const COMMIT_BYTES: u64 = 16 * 1024 * 1024;

/// Decisions on one claim that looks at all tasks, a thousand in each: two rounds through five million.
pub const MAX_LOOKS_OF_CLAIM: usize = 10_000;

/// How long a claim waits at most before it looks whether other shards are the agent's now.
pub const SHARDS_WAIT: Duration = Duration::from_secs(5);

/// Long polls that one agent may have at the same time; ours has one.
pub const MAX_WAITERS_PER_AGENT: usize = 16;

/// Bytes of one page of a list: half of a message, so that everything around the page fits.
pub const MAX_PAGE_BYTES: usize = 2 * 1024 * 1024;

/// Connections at the same time; an agent needs one.
pub const MAX_CONNECTIONS: u64 = 16_384;
/// Open files that are no connections: the journal's, the store's, and some to spare.
pub const OWN_FILES: u64 = 256;
/// With fewer connections a coordinator is of no use.
pub const LEAST_CONNECTIONS: u64 = 64;

/// Connections from one address at the same time: a large site behind one router, or a load generator.
pub const MAX_CONNECTIONS_PER_ADDRESS: usize = 2_048;

/// A connection that has not begun to speak HTTP/2 after this long is closed.
pub const PREFACE_PATIENCE: Duration = Duration::from_secs(10);

/// After a failed accept, which usually means too many open files, nothing is accepted for this long.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Queues that have figures of their own among the metrics; the others have theirs together.
pub const MAX_METERED_QUEUES: usize = 100;

/// Connections for metrics at the same time: a scraper or two need one each, for milliseconds.
pub const MAX_HTTP_CONNECTIONS: usize = 16;

/// A connection for metrics is closed after this long, whatever it does: a scrape takes milliseconds.
pub const HTTP_PATIENCE: Duration = Duration::from_secs(10);

/// Connections that wait to be taken: as many as the system allows a socket by default.
pub const CONNECTION_BACKLOG: u32 = 1024;

/// Bytes of an HTTP request's line and headers: those of scrapers and browsers, several times over.
pub const MAX_HTTP_HEADER_BYTES: usize = 16 * 1024;

/// Header lines of an HTTP request, likewise.
pub const MAX_HTTP_HEADERS: usize = 64;

/// A call whose answer has not begun after this long is ended: longer than any long poll.
pub const CALL_PATIENCE: Duration = Duration::from_secs(60);

/// Connections are closed at this age, so that agents spread again after a restart of anything in between.
pub const CONNECTION_AGE: Duration = Duration::from_secs(3600);

/// Calls under way on a connection of that age may still end within this time.
pub const CONNECTION_GRACE: Duration = Duration::from_secs(60);

/// A timer that is late by this part of a TTL was asleep with the whole coordinator.
pub const LATE_PART: u32 = 4;

/// How often the timer looks whether the store has caught up, before it goes on with consequences.
pub const BUSY_PAUSE: Duration = Duration::from_millis(50);
