//! Scans: where agents that were given none of the first tasks go on looking. A restart forgets them.

use crate::{
    id::AgentId,
    state::{State, pick::Position, soft::Soft},
};

/// The tasks among which an agent looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reach {
    /// Those that it asks for.
    Own,
    /// Those of other agents' shards, too.
    Everybodys,
}

impl Reach {
    const ALL: [Reach; 2] = [Reach::Own, Reach::Everybodys];

    /// The other one.
    pub(crate) fn other(self) -> Reach {
        match self {
            Reach::Own => Reach::Everybodys,
            Reach::Everybodys => Reach::Own,
        }
    }
}

/// A look at all tasks that is not at its end.
#[derive(Clone, Debug)]
pub(crate) struct Scan {
    /// Where it stopped; `None` at the end of a round that did not see all tasks.
    pub(crate) after: Option<Position>,
    /// What had been opened when the round began with the first tasks; `None` when it began anywhere else, or when it
    /// found something. A round that saw all tasks, and nothing new since, ends the look.
    pub(crate) since: Option<u64>,
    /// The looks of the round so far.
    pub(crate) steps: u32,
}

impl State {
    /// Whether an agent that was given nothing has not looked at all tasks yet.
    pub fn is_scanning(&self, agent: &AgentId) -> bool {
        let mut all = Reach::ALL.into_iter();
        all.any(|reach| self.scan(agent, reach).is_some())
    }

    /// Whether it looks at further tasks at once: it has not seen this round's.
    pub fn is_in_a_round(&self, agent: &AgentId) -> bool {
        let mut all = Reach::ALL.into_iter();
        all.any(|reach| self.is_in_round(agent, reach))
    }

    /// The same for the tasks within one reach.
    pub(crate) fn is_in_round(&self, agent: &AgentId, reach: Reach) -> bool {
        let scan = self.scan(agent, reach);
        scan.is_some_and(|scan| scan.after.is_some())
    }

    /// The looks of its longest round that is under way or was not enough.
    pub(crate) fn steps_of_rounds(&self, agent: &AgentId) -> u32 {
        let scans = Reach::ALL.into_iter().filter_map(|reach| self.scan(agent, reach));
        scans.map(|scan| scan.steps).max().unwrap_or_default()
    }

    pub(crate) fn scan(&self, agent: &AgentId, reach: Reach) -> Option<&Scan> {
        if self.soft.scans.is_empty() {
            return None;
        }
        self.soft.scans.get(&(agent.clone(), reach))
    }
}

impl Soft {
    /// Notes where an agent goes on looking; `None` when it begins anew.
    pub(crate) fn set_scan(&mut self, agent: &AgentId, reach: Reach, scan: Option<Scan>) {
        match scan {
            Some(scan) => {
                self.scans.insert((agent.clone(), reach), scan);
            }
            None if self.scans.is_empty() => {}
            None => {
                self.scans.remove(&(agent.clone(), reach));
            }
        }
    }

    /// Lets an agent begin anew: it may be given other tasks than those it has looked for.
    pub(crate) fn clear_scans(&mut self, agent: &AgentId) {
        self.set_scan(agent, Reach::Own, None);
        self.set_scan(agent, Reach::Everybodys, None);
    }
}
