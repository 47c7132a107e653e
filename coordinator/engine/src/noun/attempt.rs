//! Attempts: a task remembers its first and its last ones after their end.

use std::{sync::Arc, time::Duration};

use crate::{
    id::{AgentId, AttemptNumber, LeaseToken, ReportHash},
    noun::{cut::Cut, lazy_box::Empty, lease::Proof, outcome::Outcome},
    time::Timestamp,
};

/// An ended attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Its number.
    pub number: AttemptNumber,
    /// The agent that held it.
    pub agent: AgentId,
    /// The token of its lease: a late or repeated report is recognised by it.
    pub token: LeaseToken,
    /// The claim that asked for it.
    pub request_id: Arc<str>,
    /// The round it belongs to.
    pub round: u32,
    /// When it was granted.
    pub granted: Timestamp,
    /// The TTL of its lease.
    pub ttl: Duration,
    /// Its durable end, which no renewal put off.
    pub ends_by: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// Its outcome.
    pub outcome: Outcome,
    /// The accepted report: a repeat of that report is confirmed again.
    pub report: Option<ReportHash>,
    /// Bytes it wrote to standard output.
    pub stdout_bytes: u64,
    /// The number of those, the last ones, that are kept.
    pub stdout_kept: u64,
    /// Bytes it wrote to standard error.
    pub stderr_bytes: u64,
}

impl Attempt {
    /// What is left of its standard output; `None` when all of it is kept.
    pub fn stdout_cut(&self) -> Option<Cut> {
        Cut::of(self.stdout_bytes, self.stdout_kept)
    }

    /// Whether the proof shows that the agent held this attempt.
    pub fn is_proven_by(&self, agent: &AgentId, proof: &Proof) -> bool {
        self.number == proof.attempt && self.agent == *agent && Some(self.token) == proof.token
    }
}

impl Empty for Vec<Attempt> {
    const EMPTY: &'static Self = &Vec::new();
}
