//! What machines could not start lately, in the words in which it was told, and the machines that lack what others had.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use crate::{
    id::AgentId,
    limits::{LACK_IS_KNOWN, MAX_SLOWDOWN, MAX_UNSTARTED, MAX_UNSTARTED_WORDS},
    noun::outcome::{Failure, Output},
    time::Timestamp,
};

/// The machines that could not start something: two of them tell as much as all.
const ENOUGH: usize = 2;

/// The words of the last failures to start something.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unstarted {
    /// The oldest first.
    told: VecDeque<Told>,
    /// The agents that could not start what another one did, and until when that is known of them.
    lacking: BTreeMap<AgentId, Timestamp>,
}

#[derive(Clone, Debug)]
struct Told {
    words: Arc<str>,
    by: Vec<AgentId>,
    last: Timestamp,
}

impl Unstarted {
    /// Notes the words of an agent, and returns the agents that are known to have said the same, at most two. An agent
    /// whose machine lacks something says nothing about others.
    pub(crate) fn told(&mut self, agent: &AgentId, words: &str, now: Timestamp) -> &[AgentId] {
        if self.is_lacking(agent, now) {
            return &[];
        }
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

    /// Notes that an agent could not start what another one did, so its words count for nothing.
    pub(crate) fn lacks(&mut self, agent: &AgentId, now: Timestamp) {
        self.lacking.retain(|_, until| now < *until);
        self.lacking.insert(agent.clone(), now + LACK_IS_KNOWN);
        self.told
            .iter_mut()
            .for_each(|told| told.by.retain(|by| by != agent));
    }

    /// Whether the machine of an agent is known to lack what another one had.
    pub(crate) fn is_lacking(&self, agent: &AgentId, now: Timestamp) -> bool {
        self.lacking.get(agent).is_some_and(|until| now < *until)
    }

    /// Forgets an agent.
    pub(crate) fn forget(&mut self, agent: &AgentId) {
        self.lacking.remove(agent);
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
    fn an_agent_that_lacks_something_counts_for_nothing_while_that_is_known() {
        let mut unstarted = Unstarted::default();
        let [one, two] = ["one", "two"].map(AgentId::stored);
        let count = |unstarted: &mut Unstarted, by, now| unstarted.told(by, "no tool", now).len();
        let now = Timestamp(1);
        assert_eq!(count(&mut unstarted, &one, now), 1);
        unstarted.lacks(&one, now);
        assert_eq!(count(&mut unstarted, &one, now), 0);
        assert_eq!(count(&mut unstarted, &two, now), 1);
        let later = now + LACK_IS_KNOWN;
        assert_eq!(count(&mut unstarted, &two, later), 1);
        assert_eq!(count(&mut unstarted, &one, later), 2);
        unstarted.lacks(&one, later);
        unstarted.forget(&one);
        assert!(!unstarted.is_lacking(&one, later));
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
