//! A coordinator on a disk that can fail, and agents behind wires that can; what is done to them, and undone.

mod flood;
mod machine;
mod troubled_disk;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{PipeReader, PipeWriter},
    sync::Arc,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;
use tokio::runtime::Handle;

use self::troubled_disk::plan;
use super::{
    caller::Recorder,
    fault::{DISK_FAULTS, Fault, LEASE_TTL, LONG, SHORT},
    wire::{Way, Wire},
};
use crate::harness::{
    PATIENCE,
    agent::{RealAgent, Surroundings},
    cgroup::Cgroup,
    clock::WrongClock,
    coordinator::Coordinator,
    disk::{Disk, Plan},
    pipe::{closed_pipe, full_pipe},
    seeded::Seeded,
    wait_until,
};

const AGENTS: usize = 3;
/// The exit code of a coordinator that has no space for its journal.
const NO_SPACE: i32 = 74;
/// The last lines of a program's log that go with a violation.
const SHOWN_LINES: usize = 12;

/// See the module.
pub(crate) struct Swarm {
    /// What clients were answered.
    recorder: Arc<Recorder>,
    // In the order in which they are stopped.
    agents: Vec<RealAgent>,
    pub(crate) coordinator: Coordinator,
    /// The wires of the agents, then those of the clients.
    wires: Vec<Wire>,
    disk: Option<Disk>,
    clock: Option<WrongClock>,
    plan: Option<Plan>,
    /// The number of plans for the disk so far.
    plans: usize,
    /// Its disk has been full since the coordinator's start: what a write met then it may hear of later.
    was_full: bool,
    /// It has little memory until its next start, and is flooded.
    has_little_memory: bool,
    undo: Vec<(Instant, Undo)>,
    /// Of logs, which they do not read.
    readers: Vec<PipeReader>,
    // Behind the coordinator, which has to end before it.
    cgroup: Option<Cgroup>,
    chance: Seeded,
    /// The number of faults of each kind.
    pub(crate) faults: BTreeMap<&'static str, u64>,
    /// The kinds of faults that this machine does not let be tried.
    pub(crate) untried: BTreeSet<&'static str>,
    /// Violations by the programs themselves, in words.
    pub(crate) violations: Vec<String>,
}

/// The cure of a fault that lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Undo {
    StartAgent(usize),
    ContinueAgent(usize),
    /// Its surroundings are the usual ones from then on.
    RestartAgent(usize),
    /// Its state directory has space.
    EmptyAgent(usize),
    Mend(usize),
    /// Mends it and ends its connections: what was held never arrives.
    MendAndCut(usize),
    MakeSpace,
}

/// The order of the clients' wires, behind those of the agents.
#[derive(Clone, Copy)]
pub(crate) enum End {
    Clients,
    Rogues,
    Readers,
}

impl Swarm {
    pub(crate) fn start(runtime: &Handle, recorder: Arc<Recorder>, mut chance: Seeded) -> Swarm {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::build(dir.path());
        let clock = WrongClock::build(dir.path());
        let plan = disk
            .as_ref()
            .map(|disk| plan(disk, dir.path().to_owned(), 0, &mut chance));
        let mut untried = BTreeSet::new();
        if disk.is_none() {
            untried.extend(DISK_FAULTS.iter().map(|fault| fault.name));
        }
        let ttl = format!("{}ms", LEASE_TTL.as_millis());
        let flags = ["--lease-ttl", ttl.as_str()];
        let coordinator = Coordinator::with_flags_and_disk(dir, &flags, plan.clone());
        let wires: Vec<Wire> = runtime.block_on(async {
            let mut wires = Vec::new();
            for _ in 0..AGENTS + 3 {
                wires.push(Wire::to(coordinator.address()).await);
            }
            wires
        });
        let agents = (0..AGENTS).map(|n| {
            let name = format!("agent-{n}");
            RealAgent::start_at(wires[n].address(), &name, &["--slots", "3"])
        });
        Swarm {
            recorder,
            agents: agents.collect(),
            coordinator,
            wires,
            disk,
            clock,
            plan,
            plans: 1,
            was_full: false,
            has_little_memory: false,
            undo: Vec::new(),
            readers: Vec::new(),
            cgroup: None,
            chance,
            faults: BTreeMap::new(),
            untried,
            violations: Vec::new(),
        }
    }

    /// The address at which clients of this kind find the coordinator.
    pub(crate) fn address(&self, of: End) -> &str {
        self.wires[AGENTS + of as usize].address()
    }

    /// Lets this happen. What lasts is undone later.
    pub(crate) fn suffer(&mut self, fault: Fault) {
        match fault {
            Fault::KillCoordinator => {
                self.coordinator.kill();
                self.start_coordinator();
            }
            Fault::KillBoth => {
                let which = self.some_agent();
                self.coordinator.kill();
                self.agents[which].program().kill();
                self.agents[which].start_again();
                self.start_coordinator();
            }
            Fault::StopCoordinator => self.stop_coordinator(SHORT),
            Fault::StopCoordinatorLong => self.stop_coordinator(LONG),
            Fault::FailDisk => return self.fail_disk(),
            Fault::FillDisk => {
                if !self.fill_disk() {
                    self.untried.insert(fault.name());
                    return;
                }
            }
            Fault::CloneAgent => self.clone_agent(),
            Fault::ContainAgent
            | Fault::SickMachine
            | Fault::FillAgent
            | Fault::HangDirectory
            | Fault::WrongClock
            | Fault::LittleMemory => {
                let is_tried = match fault {
                    Fault::LittleMemory => self.flood_with_little_memory(),
                    Fault::WrongClock => self.start_with_wrong_clock(),
                    _ => self.surround_agent(fault),
                };
                if !is_tried {
                    self.untried.insert(fault.name());
                    return;
                }
            }
            Fault::CloseLog => self.change_log(closed_pipe()),
            Fault::BlockLog => {
                let (reader, writer) = full_pipe();
                self.readers.push(reader);
                self.change_log(writer);
            }
            Fault::KillAgent => {
                let which = self.some_agent();
                self.agents[which].program().kill();
                self.agents[which].start_again();
            }
            Fault::LoseAgent => {
                let which = self.some_agent();
                self.agents[which].program().kill();
                self.later(LONG, Undo::StartAgent(which));
            }
            Fault::StopAgent | Fault::StopAgentLong => {
                let which = self.some_agent();
                self.agents[which].program().signal(Signal::SIGSTOP);
                let length = if fault == Fault::StopAgent { SHORT } else { LONG };
                self.later(length, Undo::ContinueAgent(which));
            }
            Fault::Cut => self.some_wire().1.cut(),
            Fault::CloseUp => self.some_wire().1.close(Way::Up),
            Fault::CloseDown => self.some_wire().1.close(Way::Down),
            Fault::Delay => {
                let delay = Duration::from_millis(20 + self.chance.below(300));
                let (which, wire) = self.some_wire();
                wire.delay(Way::Up, delay);
                wire.delay(Way::Down, delay);
                self.later(2 * SHORT, Undo::Mend(which));
            }
            Fault::HoldUp => {
                let (which, wire) = self.some_wire();
                wire.hold(Way::Up);
                self.later(2 * SHORT, Undo::Mend(which));
            }
            Fault::LoseAnswers => {
                let (which, wire) = self.some_wire();
                wire.hold(Way::Down);
                self.later(SHORT, Undo::MendAndCut(which));
            }
            Fault::Blackhole => {
                let length = if self.chance.percent(30) { LONG } else { 2 * SHORT };
                let (which, wire) = self.some_wire();
                wire.hold(Way::Up);
                wire.hold(Way::Down);
                self.later(length, Undo::Mend(which));
            }
        }
        *self.faults.entry(fault.name()).or_default() += 1;
    }

    /// Undoes what has lasted long enough, and notices a program that has ended by itself.
    pub(crate) fn look(&mut self) {
        self.undo_what_is_due();
        if self.coordinator.program().ended().is_some() {
            let code = self.coordinator.program().wait(PATIENCE);
            if !(self.was_full && code == NO_SPACE) {
                let log = last_lines(&self.coordinator.program().log());
                self.violations
                    .push(format!("the coordinator ended by itself with {code}:\n{log}"));
            }
            self.start_coordinator();
        }
        for which in 0..AGENTS {
            let is_away = self.undo.iter().any(|(_, undo)| *undo == Undo::StartAgent(which));
            if !is_away && self.agents[which].program().ended().is_some() {
                let log = last_lines(&self.agents[which].program().log());
                self.violations
                    .push(format!("agent-{which} ended by itself:\n{log}"));
                self.agents[which].start_again();
            }
        }
    }

    /// Ends all that lasts.
    pub(crate) fn mend(&mut self) {
        while let Some((_, undo)) = self.undo.pop() {
            self.undo(undo);
        }
        for wire in &self.wires {
            wire.mend();
        }
        if self.has_little_memory {
            // It may refuse whatever is asked of it, and what is read from now on is not asked for twice.
            self.coordinator.kill();
            self.start_coordinator();
        }
    }

    /// Ends the agents, with what they run.
    pub(crate) fn stop_agents(&mut self) {
        self.agents.clear();
    }

    fn undo_what_is_due(&mut self) {
        let now = Instant::now();
        while let Some(at) = self.undo.iter().position(|(due, _)| *due <= now) {
            let (_, undo) = self.undo.swap_remove(at);
            self.undo(undo);
        }
    }

    fn undo(&mut self, undo: Undo) {
        match undo {
            Undo::StartAgent(which) => self.agents[which].start_again(),
            Undo::RestartAgent(which) => {
                self.agents[which].program().kill();
                self.agents[which].start_again();
            }
            Undo::EmptyAgent(which) => {
                let _ = fs::remove_file(self.full_agent(which));
            }
            Undo::ContinueAgent(which) => self.agents[which].program().signal(Signal::SIGCONT),
            Undo::Mend(which) => self.wires[which].mend(),
            Undo::MendAndCut(which) => {
                self.wires[which].cut();
                self.wires[which].mend();
            }
            Undo::MakeSpace => {
                if let Some(plan) = &self.plan {
                    plan.empty();
                }
            }
        }
    }

    fn later(&mut self, length: Duration, undo: Undo) {
        self.undo.push((Instant::now() + length, undo));
    }

    fn some_wire(&mut self) -> (usize, &Wire) {
        let which = self.chance.index(self.wires.len());
        (which, &self.wires[which])
    }

    fn stop_coordinator(&mut self, length: Duration) {
        self.coordinator.program().signal(Signal::SIGSTOP);
        let stopped = Instant::now();
        wait_until("the stop is over", || stopped.elapsed() >= length);
        self.coordinator.program().signal(Signal::SIGCONT);
    }

    /// From its next start on, which is now, a program's log goes into this pipe.
    fn change_log(&mut self, pipe: PipeWriter) {
        if self.chance.percent(50) {
            self.coordinator.kill();
            self.coordinator.change_stderr(Some(pipe));
            self.start_coordinator();
            self.coordinator.change_stderr(None);
        } else {
            let which = self.some_agent();
            self.agents[which].program().kill();
            self.agents[which].start_again_in(&Surroundings::Stderr(pipe));
        }
    }

    /// Starts the coordinator with a clock that is far ahead or behind until its next start.
    fn start_with_wrong_clock(&mut self) -> bool {
        let days = if self.chance.percent(70) { 30 } else { -2 };
        let Some(clock) = &self.clock else { return false };
        let wrong = clock.ahead(days * 24 * 3600);
        self.coordinator.kill();
        self.coordinator.change_clock(Some(wrong));
        self.start_coordinator();
        self.coordinator.change_clock(None);
        true
    }

    fn start_coordinator(&mut self) {
        self.undo.retain(|(_, undo)| *undo != Undo::MakeSpace);
        self.was_full = false;
        self.has_little_memory = false;
        // A plan that was carried out, or that nobody needed, is followed by the next one.
        if let Some(disk) = &self.disk {
            let dir = self.coordinator.dir().to_owned();
            let was_done = self
                .plan
                .as_ref()
                .is_some_and(|plan| plan.steps().iter().any(|step| step.is_hit));
            self.plans += usize::from(was_done);
            self.plan = Some(plan(disk, dir, self.plans - 1, &mut self.chance));
            self.coordinator.change_disk(self.plan.clone());
        }
        self.coordinator.start_again();
    }
}

fn last_lines(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n")
}
