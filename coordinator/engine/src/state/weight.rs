//! Weights: the bytes of memory that records take, about.
//!
//! They are counted as records come and go, so that the coordinator can refuse new ones before memory is full. Each
//! record counts by itself what it shares with others, such as the name of its queue.

use crate::noun::{
    agent::Agent,
    attempt::Attempt,
    hold::{Hold, Scope},
    job::Job,
    needs::{Needs, Wants},
    outcome::Outcome,
    queue::QueueLimit,
    task::{End, Phase, Task},
};

/// A waiting task without its texts: its record, its places in the indexes, and what the allocator adds.
const TASK: usize = 600;
/// An ended attempt, or a lease.
const ATTEMPT: usize = 250;
/// A dependency, with its places in the indexes.
const DEPENDENCY: usize = 250;
/// A job, with its place in the indexes.
const JOB: usize = 500;
/// An agent, with what is known of its last call.
const AGENT: usize = 1_000;
/// A hold or a limit.
const RULE: usize = 300;
/// A text, or an entry of a list or map.
const ENTRY: usize = 64;

/// See the module.
pub(crate) trait Weight {
    /// Bytes of memory, about.
    fn weight(&self) -> usize;
}

impl Weight for Task {
    fn weight(&self) -> usize {
        let attempts: usize = self.attempts.iter().map(Weight::weight).sum();
        let phase = match &self.phase {
            Phase::Pending { .. } => 0,
            Phase::Running(lease) => ATTEMPT + lease.request_id.len(),
            Phase::Ended(ended) => match &ended.end {
                End::Failed { reason } => ENTRY + reason.len(),
                End::Skipped { because } => ENTRY + because.as_str().len(),
                End::Succeeded | End::Cancelled => 0,
            },
        };
        let dependencies = self.dependencies.iter();
        let dependencies: usize = dependencies
            .map(|each| DEPENDENCY + each.task.as_str().len())
            .sum();
        TASK + self.id.as_str().len()
            + self.spec.len()
            + self.needs.weight()
            + dependencies
            + attempts
            + phase
            + self.tries.lost_on.len() * ENTRY
    }
}

impl Weight for Attempt {
    fn weight(&self) -> usize {
        let outcome = match &self.outcome {
            Outcome::Failed(failure) => ENTRY + failure.reason.len() + failure.message.len(),
            Outcome::Released { reason, .. } => ENTRY + reason.len(),
            Outcome::Succeeded | Outcome::Cancelled | Outcome::Lost(_) => 0,
        };
        ATTEMPT + self.agent.as_str().len() + self.request_id.len() + outcome
    }
}

impl Weight for Needs {
    fn weight(&self) -> usize {
        let group = self
            .group
            .as_ref()
            .map_or(0, |group| ENTRY + group.as_str().len());
        let class = &self.class;
        class.queue.as_str().len() + class.selector.bytes() + self.program.bytes() + group
    }
}

impl Weight for Job {
    fn weight(&self) -> usize {
        JOB + self.id.as_str().len() + self.name.len() + pairs(&self.labels)
    }
}

impl Weight for Agent {
    fn weight(&self) -> usize {
        let process = self.process.as_ref();
        let place = process.map_or(0, |process| process.host.len() + process.place.len());
        let twin = self.twin.as_ref().map_or(0, |twin| twin.host.len());
        let own = self.id.as_str().len() + self.name.len() + self.version.len();
        let rules: usize = self.rules.patterns().map(|text| ENTRY + 5 * text.len()).sum();
        AGENT + own + pairs(&self.labels) + rules + place + twin
    }
}

impl Weight for Hold {
    fn weight(&self) -> usize {
        let scope = match &self.scope {
            Scope::Everything => 0,
            Scope::Queue(queue) => queue.as_str().len(),
            Scope::Agent(agent) => agent.as_str().len(),
        };
        RULE + scope + self.actor.len() + self.reason.len()
    }
}

impl Weight for QueueLimit {
    fn weight(&self) -> usize {
        RULE + self.queue.as_str().len() + self.actor.len()
    }
}

impl Weight for Wants {
    fn weight(&self) -> usize {
        let queues = self.queues.iter();
        queues.map(|queue| ENTRY + queue.as_str().len()).sum()
    }
}

fn pairs(pairs: &std::collections::BTreeMap<String, String>) -> usize {
    let pairs = pairs.iter();
    pairs.map(|(key, value)| ENTRY + key.len() + value.len()).sum()
}
