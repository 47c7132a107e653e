//! Tries: the retries that a task may have, and the counts against them.

use crate::{
    id::AgentId,
    limits::MAX_LOST_ON,
    noun::{
        lazy_box::Empty,
        outcome::{Blame, Loss},
    },
    time::Millis,
};

/// The retries and backoffs of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Retries after the first failure.
    pub max_retries: u32,
    /// The upper end of the first delay; it doubles with every failure.
    pub initial_backoff: Millis,
    /// The upper end of every delay.
    pub max_backoff: Millis,
}

/// The counts against a task's limits in this round, each charged when a failure or loss happens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tries {
    /// Failures of the task itself.
    pub failures: u32,
    /// Attempts that a machine lost or failed.
    pub losses: u32,
    /// Attempts that met a provider's limit.
    pub provider_limits: u32,
    /// Undelivered leases.
    pub undelivered: u32,
    /// The first agents that lost an attempt, each once.
    pub lost_on: Vec<AgentId>,
}

impl Tries {
    /// Counts a failure.
    pub fn charge_failure(&mut self, blame: Blame, agent: &AgentId) {
        match blame {
            Blame::Task => self.failures += 1,
            Blame::Provider => self.provider_limits += 1,
            Blame::Machine => self.charge_machine(agent),
        }
    }

    /// Counts a loss. A loss by registering anew, by leaving or by a person's word costs nothing.
    pub fn charge_loss(&mut self, loss: Loss, agent: &AgentId) {
        match loss {
            Loss::Silent | Loss::Overdue | Loss::Died => self.charge_machine(agent),
            Loss::Undelivered => self.undelivered += 1,
            Loss::Replaced | Loss::Deregistered | Loss::GivenUp => {}
        }
    }

    fn charge_machine(&mut self, agent: &AgentId) {
        self.losses += 1;
        if !self.lost_on.contains(agent) && self.lost_on.len() < MAX_LOST_ON {
            self.lost_on.push(agent.clone());
        }
    }
}

impl Empty for Tries {
    const EMPTY: &'static Self = &Tries {
        failures: 0,
        losses: 0,
        provider_limits: 0,
        undelivered: 0,
        lost_on: Vec::new(),
    };
}
