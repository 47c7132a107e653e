//! Every bound of the engine, with its reason.

use std::time::Duration;

/// How far the wall clock may have gone on since the last event for a start to believe it at once. No service is down
/// for longer in the ordinary course of things, and a wrong clock is usually wrong by more.
pub const MAX_CLOCK_JUMP: Duration = Duration::from_secs(24 * 3600);

/// The time between two starts after which the second one confirms the clock of the first. A service manager's loop of
/// restarts confirms nothing.
pub const CLOCK_CONFIRMED_AFTER: Duration = Duration::from_secs(10 * 60);

/// By how much two clocks of one machine may differ and still count as the same: time servers turn them this little.
pub const CLOCK_TOLERANCE: Duration = Duration::from_secs(60);

/// For how long a refused copy of an agent is told after its last try. A copy that is started again tries within a
/// lease.
pub const COPY_TOLD: Duration = Duration::from_secs(3600);

/// Tasks in one submit: deciding and applying ten thousand events takes some tens of milliseconds.
pub const MAX_SUBMIT_TASKS: usize = 10_000;

/// Events in one decision: a full submit, its job, and one step of consequences.
pub const MAX_DECISION_EVENTS: usize = MAX_SUBMIT_TASKS + 1 + SETTLE_STEP;

/// Dependents settled in one decision; later decisions settle the rest, so that
/// a task with a hundred thousand dependents never holds the lock for long.
pub const SETTLE_STEP: usize = 1_000;

/// Leases, due times and deadlines handled in one call of `expire`, for the same reason.
pub const EXPIRE_STEP: usize = 1_000;

/// Tasks removed in one decision, for the same reason.
pub const PRUNE_STEP: usize = 1_000;

/// Faults named in one rejection; further faults are counted. A person mends a few at a time.
pub const MAX_NAMED_FAULTS: usize = 32;

/// Dependencies of one task: each costs a visit whenever the task changes. A wider
/// fan-in needs tasks in between.
pub const MAX_DEPENDENCIES: usize = 1_000;

/// Dependencies of all tasks in one submit: checking them under the lock takes some tens of milliseconds.
pub const MAX_SUBMIT_DEPENDENCIES: usize = 50_000;

/// Characters of an id: it names directories on agents.
pub const MAX_ID_BYTES: usize = 128;

/// Bytes of a task's spec: it stays in memory while the task is queued.
pub const MAX_SPEC_BYTES: usize = 64 * 1024;

/// Bytes of specs granted by one claim, so that the answer stays well under a message's limit.
pub const MAX_CLAIM_SPEC_BYTES: usize = 1024 * 1024;

/// Tasks granted by one claim.
pub const MAX_CLAIM_TASKS: usize = 100;

/// Items of a cancel or retry, and reports of a complete, in one request.
pub const MAX_ITEMS: usize = 1_000;

/// Leases that an agent may hold, and list in a heartbeat or registration; more than its slots and its outbox need.
/// One decision ends all of them when the agent registers anew or leaves.
pub const MAX_HELD_LEASES: usize = 2_000;

/// Tasks visited by one read under the lock.
pub const MAX_VISITED: usize = 1_000;

/// Dependencies followed by that read, however few tasks have them: a few milliseconds.
pub const MAX_FOLLOWED: usize = 10_000;

/// Terms of one selector: each is compared with each agent's labels.
pub const MAX_SELECTOR_TERMS: usize = 16;

/// Bytes of a label's key.
pub const MAX_LABEL_KEY_BYTES: usize = 63;

/// Bytes of a label's value.
pub const MAX_LABEL_BYTES: usize = 200;

/// Bytes of a program's name that an owner's rule can name: no path is longer.
pub const MAX_PROGRAM_BYTES: usize = 4096;

/// Tasks that one decision on a claim looks at, and once more so many for the last task that it grants: a claim that
/// may look at all goes on in the next decision, so that the lock is not held for long.
pub const MAX_SCAN: u32 = 1_000;

/// Of these, the tasks that it looks at in their order; the others are looked at round and round.
pub const MAX_SCAN_IN_ORDER: u32 = 100;

/// The time after which a waiting claim looks at further tasks, when it may not do so at once.
pub const SCAN_PAUSE: Duration = Duration::from_secs(1);

/// The same for each step of the round before, if that is more: rounds for which tasks come all the time take a
/// hundredth of the time under the lock.
pub const SCAN_PAUSE_PER_STEP: Duration = Duration::from_millis(100);

/// Lines of queued tasks, and programs that are passed over, which are looked at to put them in order for an agent
/// whose owner allows some programs: about a millisecond, and some tens of them with as many patterns as an owner may
/// have. With more of them, its claims look round. One decision grants no more when it has looked at so many.
pub const MAX_LINES_VISITED: usize = 10_000;

/// Classes of the unfinished tasks of one queue: a claim for the queue looks at each, in some tens of microseconds.
pub const MAX_QUEUE_CLASSES: usize = 1_000;

/// Classes of all unfinished tasks: a claim for all queues looks at each, in about a millisecond.
pub const MAX_CLASSES: usize = 10_000;

/// Holds and limits of queues above which only a queue with tasks gets another: they stay until somebody lifts them,
/// and names of queues cost nothing.
pub const MAX_RULES: usize = 1_000;

/// Shards of all tasks: as many as there are buckets.
pub const MAX_SHARDS: u16 = 256;

/// Obstacles, and agents, named in one explanation: a person reads the first few.
pub const MAX_EXPLAINED: usize = 100;

/// Tasks before another one that an explanation counts: a person wants to know whether it is the next one.
pub const MAX_BEFORE: usize = 10_000;

/// An agent is said to be silent after more than this part of a TTL: one that lives calls at least three times in it.
pub const SILENCE_IN_TTL: u32 = 2;

/// The depth to which an explanation follows dependencies.
pub const MAX_EXPLAINED_DEPTH: u32 = 10;

/// The time for which shards keep their owners, whoever comes, goes or asks for another shard meanwhile: giving them
/// out anew visits every agent.
pub const SHARDS_KEPT: Duration = Duration::from_secs(1);

/// Agents visited to find another one for a task that an agent has failed.
pub const MAX_OTHERS_VISITED: usize = 100;

/// Agents visited to find one that could run a task, or the reasons why none can.
pub const MAX_AGENTS_VISITED: usize = 1_000;

/// The time for which an agent avoids a task after a failure or refusal; doubled with each further one.
pub const AVOIDED: Duration = Duration::from_secs(60);

/// The longest time that an agent avoids a task.
pub const MAX_AVOIDED: Duration = Duration::from_secs(60 * 60);

/// The first attempts that a task remembers: they show how it began.
pub const FIRST_ATTEMPTS: usize = 2;

/// The last attempts that a task remembers: a repeated report is recognised among them.
pub const LAST_ATTEMPTS: usize = 8;

/// Losses on this many different agents: the task breaks its machines.
pub const MAX_LOST_ON: usize = 3;

/// Losses after which a task fails, on whichever agents.
pub const MAX_LOSSES: u32 = 20;

/// Undelivered leases after which a task fails: it cannot reach an agent.
pub const MAX_UNDELIVERED: u32 = 20;

/// Retries that a task may ask for.
pub const MAX_RETRIES: u32 = 100;

/// The upper end of the first delay after a failure or loss.
pub const INITIAL_BACKOFF: Duration = Duration::from_secs(5);

/// The upper end of every delay after a failure or loss.
pub const MAX_BACKOFF: Duration = Duration::from_secs(5 * 60);

/// The longest backoff that a task may ask for.
pub const MAX_ASKED_BACKOFF: Duration = Duration::from_secs(24 * 60 * 60);

/// The shortest wait after a provider's limit.
pub const PROVIDER_BACKOFF: Duration = Duration::from_secs(5);

/// The longest wait for a provider; a longer one fails the task.
pub const MAX_PROVIDER_WAIT: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The pause of an agent whose machine fails, doubled with each failure in a row.
pub const SLOWDOWN: Duration = Duration::from_secs(5);

/// The longest pause: a mended machine is back at work within it.
pub const MAX_SLOWDOWN: Duration = Duration::from_secs(5 * 60);

/// Failures to start something whose words are remembered: a list with one mistake says the same words each time.
pub const MAX_UNSTARTED: usize = 32;

/// For how long a machine is known to lack what another one had: its longest pause ends before, and its next failure.
pub const LACK_IS_KNOWN: Duration = Duration::from_secs(2 * MAX_SLOWDOWN.as_secs());

/// The characters of such words: a path and a shell's sentence about it.
pub const MAX_UNSTARTED_WORDS: usize = 400;

/// The longest time that an attempt may run.
pub const MAX_TIMEOUT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The longest delay of a task, so that no arithmetic on times overflows.
pub const MAX_DELAY: Duration = Duration::from_secs(10 * 366 * 24 * 60 * 60);

/// Lease TTLs between an attempt's timeout and its durable end: one for a renewal under way, one for grace, and one
/// without promises, so that nobody trusts the lease at its end.
pub const END_AFTER_TTLS: u32 = 3;
