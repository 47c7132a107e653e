//! Tries: a task fails when its own failures, or very many losses, have used them up; one machine uses up none.

use std::collections::BTreeSet;

/// After losses on so many agents a task fails; see `Tries` in the protocol.
const MOST_LOST_ON: usize = 3;
/// After so many losses, or leases that reached nobody, it fails.
const MOST_LOSSES: usize = 20;
/// The retries of a task that names none: the coordinator's default.
const DEFAULT_RETRIES: u32 = 2;

/// The charges of a round, each with the number of its attempt.
#[derive(Clone, Debug, Default)]
pub(super) struct Tries(Vec<(u32, Charge)>);

/// The charge for one attempt.
#[derive(Clone, Debug)]
pub(super) enum Charge {
    Failure,
    /// It was lost with, or because of, this agent.
    Machine(String),
    Undelivered,
}

impl Tries {
    pub(super) fn charge(&mut self, attempt: u32, charge: Charge) {
        self.0.push((attempt, charge));
    }

    /// Gives back what the loss of this attempt cost.
    pub(super) fn take_back(&mut self, attempt: u32) {
        self.0.retain(|(of, _)| *of != attempt);
    }

    /// The number of the task's own failures.
    pub(super) fn failures(&self) -> u32 {
        let failures = self.count(|charge| matches!(charge, Charge::Failure));
        u32::try_from(failures).unwrap_or(u32::MAX)
    }

    /// Fails unless the tries are used up, with so many retries allowed.
    pub(super) fn are_used_up(&self, allowed: Option<u32>) -> Result<(), String> {
        let allowed = allowed.unwrap_or(DEFAULT_RETRIES);
        let failures = self.failures();
        let losses = self.count(|charge| matches!(charge, Charge::Machine(_)));
        let undelivered = self.count(|charge| matches!(charge, Charge::Undelivered));
        let lost_on: BTreeSet<&str> = self
            .0
            .iter()
            .filter_map(|(_, charge)| match charge {
                Charge::Machine(agent) => Some(agent.as_str()),
                Charge::Failure | Charge::Undelivered => None,
            })
            .collect();
        let enough = failures > allowed
            || lost_on.len() >= MOST_LOST_ON
            || losses >= MOST_LOSSES
            || undelivered >= MOST_LOSSES;
        if enough {
            return Ok(());
        }
        Err(format!(
            "and of {allowed} retries {failures} failures used some; it was lost {losses} times on {lost_on:?}"
        ))
    }

    fn count(&self, wanted: fn(&Charge) -> bool) -> usize {
        self.0.iter().filter(|(_, charge)| wanted(charge)).count()
    }
}
