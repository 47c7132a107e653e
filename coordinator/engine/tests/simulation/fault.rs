//! Faults and deeds of a world, and the ones that a seed leaves out.

use super::random::Random;

/// One of this many seeds leaves a fault out: a fault that always happens hides bugs that need quiet.
const LEFT_OUT: u64 = 3;

macro_rules! named {
    ($(#[$doc:meta])* $kind:ident { $($variant:ident => $name:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum $kind { $($variant,)* }

        impl $kind {
            pub(crate) const ALL: &'static [($kind, &'static str)] = &[$(($kind::$variant, $name),)*];
        }
    };
}

named! {
    /// Faults of the network, of machines, of clocks and of people who lie.
    Fault {
        Dropped => "message dropped",
        Repeated => "message repeated",
        Delayed => "message delayed",
        Reordered => "messages reordered",
        AgentPaused => "agent paused",
        AgentKilled => "agent killed",
        Zombie => "zombie went on after its lease",
        Twin => "twin of an agent",
        Forged => "forged proof",
        Slept => "whole machine slept",
        WallStepped => "wall clock stepped",
        WrongAtStart => "clock wrong at a start",
        CoordinatorPaused => "coordinator paused",
        Crash => "crash",
        EventsLost => "crash before events were durable",
        AnswersLost => "crash before durable answers left",
        Forgotten => "ended task forgotten",
    }
}

named! {
    /// Deeds of people, agents and the coordinator's upkeep.
    Deed {
        Submit => "submit",
        Register => "register",
        Claim => "claim",
        Renew => "renew",
        Report => "report",
        Fail => "failure",
        Release => "release",
        Refuse => "refusal",
        Leave => "goodbye",
        Cancel => "cancel",
        Retry => "retry",
        Remove => "removal",
        Prune => "prune",
        Hold => "hold",
        Limit => "limit",
        GiveUp => "lease or agent given up",
        Death => "death told",
    }
}

/// The faults and deeds of a seed, and its pace.
#[derive(Clone)]
pub(crate) struct Habits {
    faults: u64,
    deeds: u64,
    /// The longest step, in milliseconds.
    pub(crate) pace: u64,
    /// After one of this many steps the journal is put on disk.
    pub(crate) sync: u64,
    /// One of this many steps brings a fault of a machine or a clock.
    pub(crate) trouble: u64,
    pub(crate) agents: u64,
}

impl Habits {
    pub(crate) fn new(random: &mut Random) -> Habits {
        let mut kept =
            |count: usize| (0..count).fold(0, |bits, bit| bits | u64::from(!random.one_in(LEFT_OUT)) << bit);
        // Without these deeds nothing happens at all.
        let needed = [
            Deed::Submit,
            Deed::Register,
            Deed::Claim,
            Deed::Renew,
            Deed::Report,
        ];
        let needed = needed.iter().fold(0, |bits, deed| bits | 1 << *deed as u64);
        let (faults, deeds) = (kept(Fault::ALL.len()), kept(Deed::ALL.len()) | needed);
        Habits {
            faults,
            deeds,
            pace: [200, 500, 1_000, 2_000, 4_000][random.index(5)],
            sync: [1, 2, 4, 10, 30][random.index(5)],
            trouble: [10, 25, 60][random.index(3)],
            agents: 2 + random.below(3),
        }
    }

    /// The world after faults have stopped.
    pub(crate) fn calm(&self) -> Habits {
        Habits {
            faults: 0,
            deeds: 0,
            sync: 1,
            ..self.clone()
        }
    }

    pub(crate) fn has(&self, fault: Fault) -> bool {
        self.faults & 1 << fault as u64 != 0
    }

    pub(crate) fn does(&self, deed: Deed) -> bool {
        self.deeds & 1 << deed as u64 != 0
    }
}

/// Counts of everything that happened.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    pub(crate) seeds: u64,
    pub(crate) operations: u64,
    pub(crate) refused: u64,
    pub(crate) repeated_grants: u64,
    pub(crate) faults: Vec<u64>,
    pub(crate) deeds: Vec<u64>,
    /// Events, in the order of [`swarm_engine::event::Fact::KINDS`].
    pub(crate) events: Vec<u64>,
}

impl Default for Tally {
    fn default() -> Tally {
        Tally {
            seeds: 0,
            operations: 0,
            refused: 0,
            repeated_grants: 0,
            faults: vec![0; Fault::ALL.len()],
            deeds: vec![0; Deed::ALL.len()],
            events: vec![0; swarm_engine::event::Fact::KINDS.len()],
        }
    }
}

impl Tally {
    pub(crate) fn fault(&mut self, fault: Fault) {
        self.faults[fault as usize] += 1;
    }

    pub(crate) fn deed(&mut self, deed: Deed) {
        self.deeds[deed as usize] += 1;
    }

    pub(crate) fn add(&mut self, other: &Tally) {
        self.seeds += other.seeds;
        self.operations += other.operations;
        self.refused += other.refused;
        self.repeated_grants += other.repeated_grants;
        for (own, more) in [
            (&mut self.faults, &other.faults),
            (&mut self.deeds, &other.deeds),
            (&mut self.events, &other.events),
        ] {
            own.iter_mut().zip(more).for_each(|(own, more)| *own += more);
        }
    }
}
