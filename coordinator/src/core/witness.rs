//! What agents have seen bears witness: whoever saw an event that the journal does not have was answered from data that
//! are newer than these.

use std::sync::atomic::{AtomicU64, Ordering};

use swarm_engine::id::{AgentId, Seq};

use super::Core;

/// The newest event that an agent has seen beyond the end of the journal; 0 for none.
#[derive(Debug, Default)]
pub(super) struct Witness(AtomicU64);

/// An event that an agent says it has seen, and before which the journal ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Missing {
    seq: u64,
    last: Seq,
}

impl Core {
    /// The event of this history that an agent says it has seen, if the journal ends before it. This is asked before
    /// the agent's request is decided, which adds events. Answers leave when their position is durable, so a journal
    /// that ends before one has lost something: it was restored by hand from an older copy, for `coordinator restore`
    /// begins a new history.
    pub(crate) fn missing(&self, history: &str, seq: u64) -> Option<Missing> {
        if history != self.history() {
            return None;
        }
        let last = self.decided();
        (seq > last.0).then_some(Missing { seq, last })
    }

    /// Notes that a registered agent has seen this event. Anybody can register an agent and let it say anything, so
    /// this warns people, and nothing is decided by it.
    pub(crate) fn agent_saw(&self, agent: &AgentId, missing: Missing) {
        let Missing { seq, last } = missing;
        if self.witness.0.fetch_max(seq, Ordering::Relaxed) == 0 {
            tracing::error!(
                agent_id = %agent,
                seq,
                help = "stop it and put the newer data in place, or lay out the backup with 'coordinator restore', \
                        which begins a new history",
                "the journal ends with seq {}, and an agent has seen a later event of this history: these data are \
                 older than what was acknowledged",
                last.0
            );
        }
    }

    /// The newest event that an agent has seen beyond the end of the journal; 0 for none.
    pub(crate) fn agents_saw(&self) -> Seq {
        Seq(self.witness.0.load(Ordering::Relaxed))
    }
}
