//! The agents' machines: a copy of an agent, and surroundings that are not as they should be.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use super::{
    super::fault::{Fault, LONG, SHORT},
    AGENTS, Swarm, Undo,
};
use crate::harness::{agent::Surroundings, wait_until};

/// A part of the log line of an agent that is let in.
const WORKS: &str = " works for ";

impl Swarm {
    /// An agent that is as it should be.
    pub(super) fn some_agent(&mut self) -> usize {
        let which = self.chance.index(AGENTS);
        let concerns = |undo: Undo| match undo {
            Undo::StartAgent(agent)
            | Undo::ContinueAgent(agent)
            | Undo::RestartAgent(agent)
            | Undo::EmptyAgent(agent) => agent == which,
            Undo::Mend(_) | Undo::MendAndCut(_) | Undo::MakeSpace => false,
        };
        while let Some(at) = self.undo.iter().position(|(_, undo)| concerns(*undo)) {
            let (_, undo) = self.undo.swap_remove(at);
            self.undo(undo);
        }
        which
    }

    /// Starts an agent and a copy of it; the one that is not let in ends, and the other goes on.
    pub(super) fn clone_agent(&mut self) {
        let which = self.some_agent();
        // An agent that has only just begun has no name yet that a copy could have, too.
        let id = self.agents[which].state_dir().join("agent_id");
        wait_until("there is an agent to be copied", || {
            self.undo_what_is_due();
            id.exists()
        });
        self.agents[which].program().kill();
        let mut copy = self.agents[which].start_copy(&self.coordinator);
        self.agents[which].start_again();
        wait_until("one of an agent and its copy ends", || {
            self.undo_what_is_due();
            copy.program().ended().is_some() || self.agents[which].program().ended().is_some()
        });
        if copy.program().ended().is_none() {
            self.agents[which] = copy;
        }
    }

    /// Starts an agent again in surroundings that are not as they should be; false where they cannot be.
    pub(super) fn surround_agent(&mut self, fault: Fault) -> bool {
        let which = self.some_agent();
        let surroundings = match fault {
            Fault::ContainAgent => Surroundings::Container,
            Fault::SickMachine => Surroundings::Variables(vec![("PATH", "/nonexistent".into())]),
            Fault::HangDirectory => Surroundings::Mounts(hung(&self.coordinator.dir().join("hung"))),
            _ => match &self.disk {
                Some(disk) => Surroundings::Variables(disk.full_while(&self.full_agent(which), "/state/")),
                None => return false,
            },
        };
        let agent = &mut self.agents[which];
        agent.program().kill();
        if !agent.start_again_in(&surroundings) {
            agent.start_again();
            return false;
        }
        if fault == Fault::FillAgent {
            self.fill_agent(which);
            self.later(LONG, Undo::EmptyAgent(which));
        } else {
            self.later(LONG, Undo::RestartAgent(which));
        }
        true
    }

    /// Takes the space of an agent's state directory away, once it works.
    fn fill_agent(&mut self, which: usize) {
        let works = |log: String| log.matches(WORKS).count();
        let before = works(self.agents[which].program().log());
        let started = Instant::now();
        wait_until("the agent works", || {
            self.undo_what_is_due();
            works(self.agents[which].program().log()) > before || started.elapsed() >= SHORT
        });
        fs::write(self.full_agent(which), "").unwrap();
    }

    /// The file that is there while the agent has no space.
    pub(super) fn full_agent(&self, which: usize) -> PathBuf {
        self.coordinator.dir().join(format!("agent-{which}.full"))
    }
}

/// What a shell does so that the first directory of PATH never answers.
fn hung(dir: &Path) -> String {
    fs::create_dir_all(dir).unwrap();
    let dir = dir.display();
    format!(
        "exec 3<>/dev/fuse; mount -i -t fuse -o fd=3,rootmode=40000,user_id=0,group_id=0 hung {dir}; \
         export PATH={dir}:$PATH"
    )
}
