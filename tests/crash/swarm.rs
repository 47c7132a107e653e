//! A coordinator on a disk that can fail, and agents behind wires that can; what is done to them, and undone.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{PipeReader, PipeWriter},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;
use prost::Message as _;
use swarm_proto::v1::ListTasksRequest;
use tokio::runtime::Handle;

use super::{
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
    raw_http2::{RawHttp2, with_prefix},
    seeded::Seeded,
    wait_until,
};

const AGENTS: usize = 3;
/// At most so many of the journal's calls pass between the order to fail and the failure.
const MOST_CALLS: usize = 5;
/// The exit code of a coordinator that has no space for its journal.
const NO_SPACE: i32 = 74;
/// A part of the log line of a coordinator that takes no more work because of its disk.
const REFUSES: &str = "the disk is full: submits and claims are refused";
/// A part of the log line of an agent that is let in.
const WORKS: &str = " works for ";
/// The memory of a coordinator that has little, as in the tests of each thing that wants all of it.
const LITTLE_MEMORY: u64 = 600_000_000;
/// A flood is bounded in all that it asks for.
const FLOOD_CONNECTIONS: usize = 2;
const FLOOD_STREAMS: usize = 150;
const FLOOD_BODIES: usize = 40;
const FLOOD_BYTES: usize = 1 << 20;
/// The last lines of a program's log that go with a violation.
const SHOWN_LINES: usize = 12;

/// See the module.
pub(crate) struct Swarm {
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
    pub(crate) fn start(runtime: &Handle, mut chance: Seeded) -> Swarm {
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
            agents: agents.collect(),
            coordinator,
            wires,
            disk,
            clock,
            plan,
            plans: 1,
            was_full: false,
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

    /// An agent that is as it should be.
    fn some_agent(&mut self) -> usize {
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

    /// Takes all space away, until after the coordinator has seen it. False when it cannot.
    fn fill_disk(&mut self) -> bool {
        let Some(plan) = &self.plan else { return false };
        plan.fill();
        self.was_full = true;
        let times = |log: String| log.matches(REFUSES).count();
        let before = times(self.coordinator.program().log());
        let filled = Instant::now();
        wait_until("the coordinator sees that its disk is full", || {
            self.undo_what_is_due();
            let program = self.coordinator.program();
            // From the last time on it may not have seen that there was space.
            times(program.log()) > before || program.ended().is_some() || filled.elapsed() >= LONG
        });
        self.later(SHORT, Undo::MakeSpace);
        true
    }

    /// Lets one of the next calls to the journal fail, or be the coordinator's last.
    fn fail_disk(&mut self) {
        let Some(plan) = &self.plan else {
            return self.suffer(Fault::KillCoordinator);
        };
        let fault = &DISK_FAULTS[(self.plans - 1) % DISK_FAULTS.len()];
        plan.arm();
        // A full disk has to end meanwhile: on it little is written.
        wait_until("the coordinator dies of its disk", || {
            self.undo_what_is_due();
            self.coordinator.program().ended().is_some()
        });
        let code = self.coordinator.program().wait(PATIENCE);
        if code != fault.code && !(self.was_full && code == NO_SPACE) {
            let log = last_lines(&self.coordinator.program().log());
            self.violations.push(format!(
                "{}: the coordinator ended with {code} and not with {}:\n{log}",
                fault.name, fault.code
            ));
        }
        *self.faults.entry(fault.name).or_default() += 1;
        self.start_coordinator();
    }

    /// Starts an agent and a copy of it; the one that is not let in ends, and the other goes on.
    fn clone_agent(&mut self) {
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
    fn surround_agent(&mut self, fault: Fault) -> bool {
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
    fn full_agent(&self, which: usize) -> PathBuf {
        self.coordinator.dir().join(format!("agent-{which}.full"))
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

    /// Starts the coordinator with little memory until its next start, and wants all of it.
    fn flood_with_little_memory(&mut self) -> bool {
        if self.cgroup.is_none() {
            self.cgroup = Cgroup::with_memory(LITTLE_MEMORY);
        }
        let Some(cgroup) = &self.cgroup else { return false };
        let enter = cgroup.enter();
        self.coordinator.kill();
        self.coordinator.change_before(Some(enter));
        self.start_coordinator();
        self.coordinator.change_before(None);
        let address = self.coordinator.address().to_owned();
        // It ends when it has sent everything, or with the coordinator.
        thread::spawn(move || flood(&address));
        true
    }

    fn start_coordinator(&mut self) {
        self.undo.retain(|(_, undo)| *undo != Undo::MakeSpace);
        self.was_full = false;
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

/// What a shell does so that the first directory of PATH never answers.
fn hung(dir: &Path) -> String {
    fs::create_dir_all(dir).unwrap();
    let dir = dir.display();
    format!(
        "exec 3<>/dev/fuse; mount -i -t fuse -o fd=3,rootmode=40000,user_id=0,group_id=0 hung {dir}; \
         export PATH={dir}:$PATH"
    )
}

/// Asks for lists that are never taken, and sends requests that never end.
fn flood(address: &str) {
    let list = ListTasksRequest {
        page_size: 1_000,
        ..Default::default()
    };
    let mut message = with_prefix(&vec![0; FLOOD_BYTES]);
    message[4] = 0xff;
    for _ in 0..FLOOD_CONNECTIONS {
        let connection = RawHttp2::connect(address, 0);
        for _ in 0..FLOOD_STREAMS {
            connection.call("TaskService/ListTasks", &list.encode_to_vec());
        }
        for _ in 0..FLOOD_BODIES {
            if !connection.data(connection.begin("TaskService/SubmitTasks"), &message, false) {
                return;
            }
        }
    }
}

fn plan(disk: &Disk, dir: PathBuf, number: usize, chance: &mut Seeded) -> Plan {
    let fault = &DISK_FAULTS[number % DISK_FAULTS.len()];
    let plan = disk.count(".seg", &dir.join("steps"));
    let plan = plan.calls(fault.call).when_armed().which_fills("/data/");
    plan.disarm();
    plan.empty();
    plan.at(1 + chance.index(MOST_CALLS), fault.deed)
}

fn last_lines(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n")
}
