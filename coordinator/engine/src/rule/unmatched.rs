//! Tasks that no live agent can run as things are, and why.

use std::{collections::BTreeSet, sync::Arc};

use crate::{
    id::QueueName,
    limits::MAX_AGENTS_VISITED,
    noun::{
        hold::{Hold, HoldKind, Scope},
        needs::{Bucket, Class, Executor, Needs},
        rules::{Program, Rules},
        selector::Term,
    },
    rule::fit::{Fit, Liveness},
    state::State,
};

/// The reasons why no live agent can run tasks of a class.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unmatched {
    /// A hold on everything or on their queue.
    pub hold: Option<Arc<Hold>>,
    /// The number of agents visited.
    pub agents: usize,
    /// The number of those agents for each reason.
    pub reasons: Vec<(Reason, usize)>,
}

impl Unmatched {
    fn add(&mut self, fit: &Fit) {
        self.agents += 1;
        let reason = Reason::of(fit);
        match self.reasons.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, count)) => *count += 1,
            None => self.reasons.push((reason, 1)),
        }
    }
}

/// Who can run the tasks of a class, as their owners' rules let them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Takers {
    /// Nobody, whatever their programs; and why.
    Nobody(Unmatched),
    /// Agents that run the programs which one of these rules allows.
    Ruled(BTreeSet<Rules>),
    /// An agent that runs all of them; or there are more agents than are visited, and one of the others may.
    Anybody,
}

impl Takers {
    /// Whether one of them runs this program, which is compared with as many patterns of owners as are `left`. When
    /// there are more, one of them may.
    pub fn run(&self, class: &Class, program: &Program, left: &mut usize) -> bool {
        match self {
            Takers::Nobody(_) => false,
            Takers::Anybody => true,
            Takers::Ruled(rules) => rules.iter().any(|rules| {
                let Some(rest) = left.checked_sub(rules.comparisons()) else {
                    return true;
                };
                *left = rest;
                rules.allow(class, program)
            }),
        }
    }
}

impl State {
    /// The reasons why no live agent can run tasks with these needs; `None` when one can. A busy agent can.
    pub fn unmatched(&self, needs: &Needs, bucket: Option<Bucket>, liveness: Liveness) -> Option<Unmatched> {
        match self.takers_of(&needs.class, Some(&needs.program), bucket, liveness) {
            Takers::Nobody(unmatched) => Some(unmatched),
            Takers::Ruled(_) | Takers::Anybody => None,
        }
    }

    /// The same for all tasks of a class at once: the programs are only left to the owners' rules.
    pub fn takers(&self, class: &Class, liveness: Liveness) -> Takers {
        self.takers_of(class, None, None, liveness)
    }

    /// Without a program, the agents whose rules do not allow them all answer by those rules.
    fn takers_of(
        &self,
        class: &Class,
        program: Option<&Program>,
        bucket: Option<Bucket>,
        liveness: Liveness,
    ) -> Takers {
        let mut unmatched = Unmatched {
            hold: self.hold_on_queue_of(class),
            ..Unmatched::default()
        };
        if unmatched.hold.is_some() {
            return Takers::Nobody(unmatched);
        }
        let mut rules = BTreeSet::new();
        for (visited, agent) in self.agents().filter(|agent| agent.is_expected()).enumerate() {
            if visited == MAX_AGENTS_VISITED {
                return Takers::Anybody;
            }
            let fit = self.fit_of(class, program, bucket, agent, liveness);
            if !fit.will_do() {
                unmatched.add(&fit);
            } else if program.is_some() || agent.rules.allow(class, &Program::Unnamed) {
                return Takers::Anybody;
            } else {
                rules.insert(agent.rules.clone());
            }
        }
        if rules.is_empty() {
            Takers::Nobody(unmatched)
        } else {
            Takers::Ruled(rules)
        }
    }

    fn hold_on_queue_of(&self, class: &Class) -> Option<Arc<Hold>> {
        let hold = self.hold(&Scope::Everything);
        hold.or_else(|| self.hold(&Scope::Queue(class.queue.clone())))
            .cloned()
    }
}

/// A reason against an agent, without details that differ between agents.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// It is silent.
    Lost,
    /// Its owner ends it, or somebody drains it.
    Draining,
    /// Somebody paused it.
    Paused,
    /// It cannot carry out tasks of this kind.
    Executor(Executor),
    /// Its labels do not meet this term.
    Label(Term),
    /// Its owner does not let it run this program.
    Rules(Program),
    /// It does not take tasks of this queue.
    Queue(QueueName),
    /// It takes other shards.
    Shard,
}

impl Reason {
    fn of(fit: &Fit) -> Reason {
        match fit {
            Fit::Executor(executor) => Reason::Executor(*executor),
            Fit::Label(term) => Reason::Label(term.clone()),
            Fit::Rules(program) => Reason::Rules(program.clone()),
            Fit::Queue(queue) => Reason::Queue(queue.clone()),
            Fit::Shard(..) => Reason::Shard,
            Fit::Leaving => Reason::Draining,
            Fit::Held(hold) => match hold.kind {
                HoldKind::Drain { .. } => Reason::Draining,
                HoldKind::Pause | HoldKind::Stop => Reason::Paused,
            },
            Fit::Lost(_) | Fit::Fits | Fit::Busy | Fit::Avoided(_) | Fit::Slowed(_) => Reason::Lost,
        }
    }
}
