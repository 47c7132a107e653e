//! A world: a coordinator, agents, submitters and operators, the messages between them, and faults.

use std::time::Duration;

use swarm_engine::time::{Clocks, Timestamp};

use super::{
    agent::{After, Moment, Process},
    coordinator::Coordinator,
    fault::{Fault, Habits, Tally},
    network::{Answer, Body, Envelope, Network, Party, Request},
    people::{self, Submitter},
    random::Random,
    tasks::{Names, TTL, millis},
    trace::Trace,
};

/// The uptime of the machine when a world begins, in milliseconds. Its wall clock shows the same.
const BEGIN: u64 = 3_000_000_000;

/// The most processes of agents at a time, twins among them.
const MAX_PROCESSES: usize = 6;

/// See the module.
pub(crate) struct World {
    pub(crate) random: Random,
    pub(crate) habits: Habits,
    pub(crate) names: Names,
    /// The time of the one machine, in milliseconds. It goes on while the machine sleeps.
    pub(crate) boot: u64,
    /// The time by which the wall clock is ahead of that.
    pub(crate) wall_ahead: i64,
    /// By how much the wall clock is wrong at the next start, and at that moment only.
    wrong_at_start: i64,
    pub(crate) coordinator: Coordinator,
    /// The time of the coordinator's next start.
    pub(crate) down_until: u64,
    /// The coordinator is stopped until then.
    pub(crate) stopped_until: u64,
    pub(crate) network: Network,
    pub(crate) processes: Vec<Process>,
    /// Agents without a process: their disk, and the time of their next start.
    pub(crate) ended: Vec<(Process, u64)>,
    next_process: u32,
    pub(crate) submitters: Vec<Submitter>,
    pub(crate) tally: Tally,
    /// Whether attempts of an exclusive group may overlap, because an identity was used twice.
    pub(crate) may_overlap: bool,
}

impl World {
    pub(crate) fn new(seed: u64, forgets: bool, trace: Trace) -> World {
        let mut random = Random::new(seed, 0);
        let habits = Habits::new(&mut random);
        let names = Names::new(seed, habits.agents);
        let forgets = forgets.then(|| Random::new(seed, 1));
        let mut world = World {
            random,
            names,
            boot: BEGIN,
            wall_ahead: 0,
            wrong_at_start: 0,
            coordinator: Coordinator::new(forgets, trace),
            down_until: 0,
            stopped_until: 0,
            network: Network::default(),
            processes: Vec::new(),
            ended: Vec::new(),
            next_process: 0,
            submitters: (0..2).map(|_| Submitter::default()).collect(),
            tally: Tally::default(),
            may_overlap: false,
            habits,
        };
        world.tally.seeds = 1;
        for agent in world.names.agents().to_vec() {
            let number = world.number();
            let process = Process::new(number, agent, Vec::new(), &mut world.random);
            world.processes.push(process);
        }
        world.start();
        world
    }

    fn number(&mut self) -> u32 {
        self.next_process += 1;
        self.next_process
    }

    pub(crate) fn start(&mut self) {
        let wrong = std::mem::take(&mut self.wrong_at_start);
        let wall = self.wall().saturating_add_signed(wrong);
        self.coordinator.trace.line(|| format!("  starts at wall {wall}"));
        let clocks = Clocks {
            wall: Timestamp(wall),
            boot: if self.random.one_in(2) { "" } else { "boot" }.into(),
            since_boot: Duration::from_millis(self.boot),
        };
        self.coordinator.start(self.boot, clocks, &mut self.tally);
    }

    fn wall(&self) -> u64 {
        self.boot.saturating_add_signed(self.wall_ahead)
    }

    /// Lets one thing happen.
    pub(crate) fn step(&mut self) {
        self.tally.operations += 1;
        self.boot += self.random.below(self.habits.pace);
        self.go_on();
        if self.random.one_in(self.habits.trouble) {
            self.trouble();
        }
        match self.random.below(32) {
            0..=20 => self.deliver(),
            21..=27 => self.act(),
            28..=29 => self.submit(),
            30 => self.order(),
            _ => self.prune(),
        }
        if self.is_up() && self.random.one_in(4) {
            self.coordinator.check_waiters(self.boot);
        }
        if self.is_awake() && self.random.one_in(self.habits.sync) {
            self.sync(usize::MAX);
        }
    }

    pub(crate) fn is_up(&self) -> bool {
        self.coordinator.running.is_some()
    }

    pub(crate) fn is_awake(&self) -> bool {
        self.is_up() && self.stopped_until <= self.boot
    }

    /// Lets time pass: starts, ends of pauses, and the coordinator's timer.
    pub(crate) fn go_on(&mut self) {
        if !self.is_up() && self.down_until <= self.boot {
            self.start();
        }
        for index in (0..self.ended.len()).rev() {
            if self.ended[index].1 <= self.boot {
                let (old, _) = self.ended.remove(index);
                let number = self.number();
                let mut process = Process::new(number, old.agent, old.outbox, &mut self.random);
                process.place = old.place;
                self.processes.push(process);
            }
        }
        if !self.is_awake() {
            return;
        }
        self.coordinator.look_at_wall(self.boot, self.wall());
        self.coordinator.look_at_clock(self.boot);
        self.expire();
        self.coordinator.end_waits(self.boot, &mut self.tally);
        self.coordinator.serve_waiters(self.boot, &mut self.tally);
    }

    /// Sends the request of a party into the network.
    fn send(&mut self, party: Party, call: u64, request: Request) {
        self.coordinator
            .trace
            .line(|| format!("  {party:?} calls {call}: {request:?}"));
        let envelope = Envelope {
            due: self.boot,
            party,
            call,
            body: Body::Request(request),
        };
        self.network
            .send(envelope, &self.habits, &mut self.random, &mut self.tally);
    }

    /// Puts decisions on the disk, and sends the answers that waited for it.
    pub(crate) fn sync(&mut self, count: usize) {
        for (party, call, answer) in self.coordinator.sync(count) {
            self.coordinator
                .trace
                .line(|| format!("  answers {party:?} {call}: {answer:?}"));
            let envelope = Envelope {
                due: self.boot,
                party,
                call,
                body: Body::Answer(answer),
            };
            self.network
                .send(envelope, &self.habits, &mut self.random, &mut self.tally);
        }
    }

    /// Delivers a message, or lets a party act when there is none.
    fn deliver(&mut self) {
        let arrived = self
            .network
            .receive(self.boot, &self.habits, &mut self.random, &mut self.tally);
        let Some(envelope) = arrived else {
            return self.act();
        };
        match envelope.body {
            Body::Request(_) if !self.is_up() => {}
            Body::Request(_) if !self.is_awake() => self.network.put_back(envelope, self.stopped_until),
            Body::Request(request) => self.take(envelope.party, envelope.call, request),
            Body::Answer(answer) => self.tell(envelope.party, envelope.call, answer),
        }
    }

    /// Delivers an answer.
    pub(crate) fn tell(&mut self, party: Party, call: u64, answer: Answer) {
        self.coordinator
            .trace
            .line(|| format!("  {party:?} hears {call}: {answer:?}"));
        match party {
            Party::Nobody => {}
            Party::Submitter(index) => self.submitters[index].hear(call, &answer),
            Party::Process(number) => {
                let Some(index) = self.processes.iter().position(|each| each.number == number) else {
                    return;
                };
                let paused_until = self.processes[index].paused_until;
                if paused_until > self.boot {
                    let body = Body::Answer(answer);
                    let envelope = Envelope {
                        due: paused_until,
                        party,
                        call,
                        body,
                    };
                    return self.network.put_back(envelope, paused_until);
                }
                let mut moment = Moment {
                    boot: self.boot,
                    random: &mut self.random,
                    habits: &self.habits,
                    call: 0,
                };
                match self.processes[index].hear(call, answer, &mut moment) {
                    After::GoesOn => self.check_overlap(index),
                    After::Exits => self.end_process(index),
                }
            }
        }
    }

    /// Lets a process of some agent act.
    fn act(&mut self) {
        if self.processes.is_empty() {
            return;
        }
        let index = self.random.index(self.processes.len());
        let process = &mut self.processes[index];
        if process.paused_until > self.boot {
            return;
        }
        let call = self.network.next_call();
        let mut moment = Moment {
            boot: self.boot,
            random: &mut self.random,
            habits: &self.habits,
            call,
        };
        let number = process.number;
        if let Some(request) = process.act(&mut moment) {
            self.send(Party::Process(number), call, request);
        }
    }

    /// Ends a process. The agent is started again later; a twin never is.
    fn end_process(&mut self, index: usize) {
        let process = self.processes.remove(index);
        self.coordinator
            .trace
            .line(|| format!("  process {} of {} ends", process.number, process.agent));
        if !process.is_twin {
            let until = self.boot + self.random.below(2 * millis(TTL));
            self.ended.push((process, until));
        }
    }

    fn submit(&mut self) {
        let index = self.random.index(self.submitters.len());
        let call = self.network.next_call();
        let now = match &self.coordinator.running {
            Some(_) => self.coordinator.now(self.boot),
            None => self.coordinator.stored.time(),
        };
        let (names, random) = (&self.names, &mut self.random);
        let request = self.submitters[index].act(self.boot, call, || names.submit(random, now));
        if let Some(request) = request {
            self.send(Party::Submitter(index), call, request);
        }
    }

    fn order(&mut self) {
        let call = self.network.next_call();
        let stored = &self.coordinator.stored;
        if let Some(request) = people::order(stored, &self.names, &self.habits, &mut self.random) {
            self.send(Party::Nobody, call, request);
        }
    }

    /// Lets a machine or a clock fail.
    fn trouble(&mut self) {
        let (fault, name) = Fault::ALL[self.random.index(Fault::ALL.len())];
        if !self.habits.has(fault) {
            return;
        }
        self.coordinator.trace.line(|| format!("  trouble: {name}"));
        let is_done = match fault {
            Fault::AgentPaused => self.pause_process(),
            Fault::AgentKilled => self.kill_process(),
            Fault::Twin => self.copy_process(),
            Fault::Forged => self.forge(),
            Fault::Slept => {
                self.boot += self.random.below(4 * millis(TTL));
                self.go_on();
                true
            }
            Fault::WallStepped => {
                let hours = [-24, -1, 1, 24][self.random.index(4)];
                self.wall_ahead += hours * 3_600_000;
                true
            }
            Fault::WrongAtStart if self.is_up() => {
                self.crash();
                let days = [-30, 2, 30, 400][self.random.index(4)];
                self.wrong_at_start = days * 24 * 3_600_000;
                true
            }
            Fault::CoordinatorPaused if self.is_awake() => {
                self.stopped_until = self.boot + self.random.below(3 * millis(TTL));
                true
            }
            Fault::Crash if self.is_up() => {
                self.crash();
                true
            }
            // The network has its own faults, a crash brings some, and the target may not exist.
            _ => return,
        };
        if is_done {
            self.tally.fault(fault);
        }
    }

    /// Kills the coordinator: before its last events are on disk, after some of them, or after all of them but before
    /// their answers have left.
    fn crash(&mut self) {
        let count = self.random.index(self.coordinator.pending() + 1);
        let unsent = self.coordinator.sync(count).len();
        let (events, answers) = self.coordinator.crash();
        self.coordinator.trace.line(|| {
            format!("  crash: {events} events and {answers} answers lost, {unsent} answers not sent")
        });
        if events > 0 {
            self.tally.fault(Fault::EventsLost);
        }
        if unsent > 0 {
            self.tally.fault(Fault::AnswersLost);
        }
        self.stopped_until = 0;
        let longest = if self.random.one_in(2) {
            1_000
        } else {
            3 * millis(TTL)
        };
        self.down_until = self.boot + self.random.below(longest);
        let random = &mut self.random;
        self.network.cut(|| !random.one_in(4));
    }

    fn pause_process(&mut self) -> bool {
        if self.processes.is_empty() {
            return false;
        }
        let index = self.random.index(self.processes.len());
        let length = self.random.below(6 * millis(TTL));
        let process = &mut self.processes[index];
        process.paused_until = self.boot + length;
        if length > millis(TTL) && !process.running.is_empty() {
            self.tally.fault(Fault::Zombie);
        }
        true
    }

    fn kill_process(&mut self) -> bool {
        if self.processes.is_empty() {
            return false;
        }
        let index = self.random.index(self.processes.len());
        let last_words = self.processes[index].death(&mut self.random);
        self.end_process(index);
        // The guard may be killed, too.
        if let Some(death) = last_words.filter(|_| !self.random.one_in(3)) {
            let call = self.network.next_call();
            self.send(Party::Nobody, call, death);
        }
        true
    }

    fn copy_process(&mut self) -> bool {
        if self.processes.is_empty() || self.processes.len() + self.ended.len() >= MAX_PROCESSES {
            return false;
        }
        let number = self.number();
        let original = self.random.index(self.processes.len());
        let twin = self.processes[original].twin(number, &mut self.random);
        self.processes.push(twin);
        true
    }

    /// Checks that no two attempts of an exclusive group are at work at the same time.
    fn check_overlap(&self, index: usize) {
        if self.may_overlap {
            return;
        }
        let trusted = |index: usize| {
            let works = self.processes[index].running.values();
            works
                .filter(|work| work.trusted_until > self.boot)
                .filter_map(|work| work.group.as_ref())
        };
        for other in (0..self.processes.len()).filter(|other| *other != index) {
            for group in trusted(index) {
                assert!(
                    trusted(other).all(|others| others != group),
                    "two attempts of group {group} are at work: {} and {}",
                    self.processes[index].agent,
                    self.processes[other].agent
                );
            }
        }
    }
}
