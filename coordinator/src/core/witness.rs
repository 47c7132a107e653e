//! What agents have seen bears witness: whoever saw an event that the journal does not have was answered from data that
//! are newer than these.

use std::sync::atomic::{AtomicU64, Ordering};

use swarm_engine::id::{AgentId, Seq};

use super::Core;

/// The newest event that an agent has seen beyond the end of the journal; 0 for none.
#[derive(Debug, Default)]
pub(super) struct Witness(AtomicU64);

impl Core {
    /// Notes that an agent has seen this position. Answers leave when their position is durable, so a journal of the
    /// same history that ends before it has lost something: it was restored by hand from an older copy, for
    /// `coordinator restore` begins a new history.
    pub(crate) fn agent_saw(&self, agent: &AgentId, history: &str, seq: u64) {
        let last = self.decided().0;
        if history != self.history() || seq <= last {
            return;
        }
        if self.witness.0.fetch_max(seq, Ordering::Relaxed) == 0 {
            tracing::error!(
                agent_id = %agent,
                seq,
                help = "stop it and put the newer data in place, or lay out the backup with 'coordinator restore', \
                        which begins a new history",
                "the journal ends with seq {last}, and an agent has seen a later event of this history: these data are \
                 older than what was acknowledged"
            );
        }
    }

    /// The newest event that an agent has seen beyond the end of the journal; 0 for none.
    pub(crate) fn agents_saw(&self) -> Seq {
        Seq(self.witness.0.load(Ordering::Relaxed))
    }
}
