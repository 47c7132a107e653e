//! Proves from a history what was promised: nothing acknowledged is lost, nothing is completed twice, attempts rise,
//! dependencies are respected, and every reader sees every event in order.
//!
//! A pure function: the same history has the same violations. Each is a sentence with the evidence in it.

mod answers;
mod ends;
mod executions;
mod life;
mod orders;
mod readers;
mod reports;
mod submits;
#[cfg(test)]
mod tests;

use super::history::History;

/// Everything in the history that must not be, in words; empty when all is well.
pub(crate) fn violations(history: &History) -> Vec<String> {
    let mut found = readers::violations(history);
    found.extend(answers::violations(history));
    found.extend(submits::violations(history));
    let (lives, broken) = life::lives(&history.log);
    found.extend(broken);
    found.extend(reports::violations(history, &lives));
    found.extend(orders::violations(history, &lives));
    found.extend(executions::violations(history, &lives));
    found.extend(ends::violations(history, &lives));
    found
}
