//! The tasks of the bench, and how many requests submit them.

use swarm_proto::limits::MAX_MESSAGE_BYTES;

/// Tasks in an unmeasured request, unless they are large.
const BULK: u32 = 5_000;

/// Bytes of tasks in an unmeasured request: half of a message.
const BULK_BYTES: usize = MAX_MESSAGE_BYTES / 2;

/// Bytes of a task besides its command, roughly.
const TASK_BYTES: usize = 100;

/// Unmeasured requests under way at the same time: enough for a full group commit.
const BULK_IN_FLIGHT: usize = 4;

/// The tasks of the bench.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    /// Tasks in each request.
    pub(super) batch: u32,
    /// Requests under way at the same time.
    pub(super) in_flight: usize,
    /// Bytes of each task's command.
    pub(super) payload: usize,
}

impl Load {
    /// The same tasks in as few requests as possible, for an unmeasured phase.
    pub(super) fn bulky(self) -> Load {
        let fit = BULK_BYTES / (self.payload + TASK_BYTES);
        Load {
            batch: u32::try_from(fit).unwrap_or(BULK).clamp(1, BULK),
            in_flight: BULK_IN_FLIGHT,
            ..self
        }
    }
}
