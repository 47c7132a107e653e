//! What machines could not start lately, in the words in which it was told.

use std::{collections::VecDeque, sync::Arc};

use crate::{
    id::AgentId,
    limits::{MAX_SLOWDOWN, MAX_UNSTARTED, MAX_UNSTARTED_WORDS},
    noun::outcome::{Failure, Output},
    time::Timestamp,
};

/// The machines that could not start something: two of them tell as much as all.
const ENOUGH: usize = 2;

/// The words of the last failures to start something, the oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unstarted {
    told: VecDeque<Told>,
}

#[derive(Clone, Debug)]
struct Told {
    words: Arc<str>,
    by: Vec<AgentId>,
    last: Timestamp,
}

impl Unstarted {
    /// Notes the words of an agent, and returns the agents that are known to have said the same, at most two.
    pub(crate) fn told(&mut self, agent: &AgentId, words: &str, now: Timestamp) -> &[AgentId] {
        let is_fresh = |told: &Told| now < told.last + MAX_SLOWDOWN;
        let before = self.told.iter().position(|told| &*told.words == words);
        let before = before.and_then(|place| self.told.remove(place));
        let mut told = before.filter(is_fresh).unwrap_or_else(|| Told {
            words: words.into(),
            by: Vec::new(),
            last: now,
        });
        told.last = now;
        if told.by.len() < ENOUGH && !told.by.contains(agent) {
            told.by.push(agent.clone());
        }
        if self.told.len() == MAX_UNSTARTED {
            self.told.pop_front();
        }
        self.told.push_back(told);
        self.told.back().map_or(&[], |told| &told.by)
    }
}

/// The words of a failure to start something: the agent's, and the last line of standard error, in which a shell names
/// what it did not find.
pub(crate) fn words_of(failure: &Failure, output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    let line = stderr.trim_end().lines().next_back().unwrap_or_default();
    let words = format!("{}\n{line}", failure.message);
    words.chars().take(MAX_UNSTARTED_WORDS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_words_of_two_agents_are_remembered_for_a_while() {
        let mut unstarted = Unstarted::default();
        let mut told = |by: &str, words: &str, now| {
            let by = unstarted.told(&AgentId::stored(by), words, now).iter();
            by.map(AgentId::to_string).collect::<Vec<_>>()
        };
        let now = Timestamp(1);
        assert_eq!(told("one", "no tool", now), ["one"]);
        assert_eq!(told("one", "no tool", now), ["one"]);
        assert_eq!(told("two", "another", now), ["two"]);
        assert_eq!(told("two", "no tool", now), ["one", "two"]);
        let later = now + MAX_SLOWDOWN / 2;
        assert_eq!(told("three", "no tool", later), ["one", "two"]);
        let much_later = later + MAX_SLOWDOWN;
        assert_eq!(told("three", "no tool", much_later), ["three"]);
        for number in 0..2 * MAX_UNSTARTED {
            told("three", &format!("tool {number}"), much_later);
        }
        assert_eq!(unstarted.told.len(), MAX_UNSTARTED);
    }

    #[test]
    fn a_shells_words_are_the_last_line_of_its_standard_error() {
        let failure = Failure {
            reason: "exit".into(),
            blame: crate::noun::outcome::Blame::Machine,
            message: "exit code 127".into(),
            exit_code: Some(127),
            signal: None,
        };
        let output = Output {
            stderr: b"reading\nsh: 1: pyhton3: not found\n\n".to_vec(),
            ..Output::default()
        };
        assert_eq!(
            words_of(&failure, &output),
            "exit code 127\nsh: 1: pyhton3: not found"
        );
    }
}
