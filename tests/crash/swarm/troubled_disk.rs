//! The coordinator's disk: it fails at some call, or is full for a while.

use std::{path::PathBuf, time::Instant};

use super::{
    super::fault::{DISK_FAULTS, Fault, LONG, SHORT},
    NO_SPACE, Swarm, Undo, last_lines,
};
use crate::harness::{
    PATIENCE,
    disk::{Disk, Plan},
    seeded::Seeded,
    wait_until,
};

/// At most so many of the journal's calls pass between the order to fail and the failure.
const MOST_CALLS: usize = 5;
/// A part of the log line of a coordinator that takes no more work because of its disk.
const REFUSES: &str = "the disk is full: submits and claims are refused";

impl Swarm {
    /// Takes all space away, until after the coordinator has seen it and a submit was refused. False when it cannot.
    pub(super) fn fill_disk(&mut self) -> bool {
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
        // On a busy machine nobody may submit within a short time.
        let refused = self.recorder.refused_by_full_disk();
        wait_until("the full disk refuses a submit", || {
            self.undo_what_is_due();
            self.recorder.refused_by_full_disk() > refused
                || self.coordinator.program().ended().is_some()
                || filled.elapsed() >= 2 * LONG
        });
        self.later(SHORT, Undo::MakeSpace);
        true
    }

    /// Lets one of the next calls to the journal fail, or be the coordinator's last.
    pub(super) fn fail_disk(&mut self) {
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
}

pub(super) fn plan(disk: &Disk, dir: PathBuf, number: usize, chance: &mut Seeded) -> Plan {
    let fault = &DISK_FAULTS[number % DISK_FAULTS.len()];
    let plan = disk.count(".seg", &dir.join("steps"));
    let plan = plan.calls(fault.call).when_armed().which_fills("/data/");
    plan.disarm();
    plan.empty();
    plan.at(1 + chance.index(MOST_CALLS), fault.deed)
}
