//! The faults of programs, disk and wires.

use std::time::Duration;

use crate::harness::{disk::Deed, seeded::Seeded};

/// Short, so that what is lost is lost soon; long enough that a busy machine renews in time.
pub(crate) const LEASE_TTL: Duration = Duration::from_secs(2);
/// Past every lease.
pub(crate) const LONG: Duration = Duration::from_millis(2600);
/// Within every lease.
pub(crate) const SHORT: Duration = Duration::from_millis(250);

/// One thing that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    KillCoordinator,
    /// The coordinator is away while an agent is killed and starts again.
    KillBoth,
    StopCoordinator,
    StopCoordinatorLong,
    /// One of [`DISK_FAULTS`] ends the coordinator.
    FailDisk,
    /// There is no space, for a while.
    FillDisk,
    KillAgent,
    /// It comes back only when its leases are lost.
    LoseAgent,
    StopAgent,
    StopAgentLong,
    Cut,
    Delay,
    /// Requests end, answers may still come.
    CloseUp,
    /// Answers end, requests may still come.
    CloseDown,
    /// Requests do not arrive.
    HoldUp,
    /// Requests arrive, and their answers are lost with the connection.
    LoseAnswers,
    Blackhole,
    /// A copy of an agent's directory is at work beside it.
    CloneAgent,
    /// An agent is process 1 of a container.
    ContainAgent,
    /// No program can be started on an agent's machine.
    SickMachine,
    /// Nothing more can be written to an agent's state directory.
    FillAgent,
    /// An agent's search for a program does not come back.
    HangDirectory,
    /// The reader of a log is gone.
    CloseLog,
    /// The reader of a log reads nothing.
    BlockLog,
    /// The wall clock is wrong at one start of the coordinator.
    WrongClock,
    /// The coordinator has little memory, and somebody wants all of it.
    LittleMemory,
}

impl Fault {
    /// Every one, as often as it comes among the others.
    const DECK: [(Fault, usize); 26] = [
        (Fault::KillCoordinator, 3),
        (Fault::KillBoth, 1),
        (Fault::StopCoordinator, 1),
        (Fault::StopCoordinatorLong, 1),
        (Fault::FailDisk, 6),
        (Fault::FillDisk, 2),
        (Fault::KillAgent, 3),
        (Fault::LoseAgent, 1),
        (Fault::StopAgent, 1),
        (Fault::StopAgentLong, 2),
        (Fault::Cut, 2),
        (Fault::Delay, 1),
        (Fault::CloseUp, 1),
        (Fault::CloseDown, 1),
        (Fault::HoldUp, 1),
        (Fault::LoseAnswers, 2),
        (Fault::Blackhole, 1),
        (Fault::CloneAgent, 1),
        (Fault::ContainAgent, 1),
        (Fault::SickMachine, 1),
        (Fault::FillAgent, 1),
        (Fault::HangDirectory, 1),
        (Fault::CloseLog, 1),
        (Fault::BlockLog, 1),
        (Fault::WrongClock, 2),
        (Fault::LittleMemory, 1),
    ];

    /// Its name in a report; a failing disk has names of its own.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Fault::KillCoordinator => "coordinator killed",
            Fault::KillBoth => "coordinator and agent killed",
            Fault::StopCoordinator => "coordinator stopped, shorter than a lease",
            Fault::StopCoordinatorLong => "coordinator stopped, longer than a lease",
            Fault::FailDisk => "disk failed",
            Fault::FillDisk => "disk full",
            Fault::KillAgent => "agent killed",
            Fault::LoseAgent => "agent killed, away longer than a lease",
            Fault::StopAgent => "agent stopped, shorter than a lease",
            Fault::StopAgentLong => "agent stopped, longer than a lease",
            Fault::Cut => "connections cut",
            Fault::Delay => "connections slow",
            Fault::CloseUp => "connections closed towards the coordinator",
            Fault::CloseDown => "connections closed from the coordinator",
            Fault::HoldUp => "requests held back",
            Fault::LoseAnswers => "answers lost",
            Fault::Blackhole => "connections silent both ways",
            Fault::CloneAgent => "agent copied, and started beside itself",
            Fault::ContainAgent => "agent as process 1 of a container",
            Fault::SickMachine => "agent whose programs cannot start",
            Fault::FillAgent => "agent's state directory full",
            Fault::HangDirectory => "agent with a hung directory",
            Fault::CloseLog => "log reader gone",
            Fault::BlockLog => "log reader stuck",
            Fault::WrongClock => "coordinator started with a wrong clock",
            Fault::LittleMemory => "coordinator with little memory, flooded",
        }
    }

    /// Every name that a report of enough cycles has.
    pub(crate) fn names() -> Vec<&'static str> {
        let others = Fault::DECK.iter().map(|(fault, _)| *fault);
        let names = others.filter(|fault| *fault != Fault::FailDisk).map(Fault::name);
        names.chain(DISK_FAULTS.iter().map(|fault| fault.name)).collect()
    }
}

/// A way in which the journal's disk fails, or the coordinator dies in the middle of writing to it.
pub(crate) struct DiskFault {
    pub(crate) name: &'static str,
    pub(crate) call: &'static str,
    pub(crate) deed: Deed,
    /// The coordinator's exit code, as a shell says it.
    pub(crate) code: i32,
}

/// Every way; they come in turn.
pub(crate) const DISK_FAULTS: [DiskFault; 6] = [
    DiskFault {
        name: "journal write failed",
        call: "pwrite",
        deed: Deed::Eio,
        code: 134,
    },
    DiskFault {
        name: "coordinator killed before a sync",
        call: "fdatasync",
        deed: Deed::Kill,
        code: 137,
    },
    DiskFault {
        name: "journal sync failed",
        call: "fdatasync",
        deed: Deed::Eio,
        code: 134,
    },
    DiskFault {
        name: "coordinator killed within a write",
        call: "pwrite",
        deed: Deed::Tear,
        code: 137,
    },
    DiskFault {
        name: "journal without space",
        call: "pwrite",
        deed: Deed::Enospc,
        code: 74,
    },
    DiskFault {
        name: "coordinator killed before a write",
        call: "pwrite",
        deed: Deed::Kill,
        code: 137,
    },
];

/// Faults in an order of chance, each as often as it should come.
pub(crate) struct Deck {
    chance: Seeded,
    left: Vec<Fault>,
}

impl Deck {
    pub(crate) fn new(chance: Seeded) -> Deck {
        Deck {
            chance,
            left: Vec::new(),
        }
    }

    /// The next one.
    pub(crate) fn deal(&mut self) -> Fault {
        if self.left.is_empty() {
            let all = Fault::DECK.iter();
            self.left = all
                .flat_map(|&(fault, count)| std::iter::repeat_n(fault, count))
                .collect();
            self.chance.shuffle(&mut self.left);
        }
        self.left.pop().expect("it was filled above")
    }
}
