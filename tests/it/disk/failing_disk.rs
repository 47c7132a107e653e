//! The disk fails under load: the coordinator ends at once, having confirmed nothing that is not on it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use swarm_proto::v1::TaskState;

use crate::harness::{
    PATIENCE,
    client::{Client, count_by_task, shell_task},
    coordinator::Coordinator,
    disk::{Deed, Disk},
    wait_until,
};

const CLIENTS: usize = 4;
/// Before the disk fails; by then the journal is written as it always is.
const ACKNOWLEDGED_BEFORE: usize = 12;
/// The exit code of an abort, as a shell says it: 128 and the number of SIGABRT.
const ABORTED: i32 = 134;
/// The disk is full, and what was to be written is not needed.
const STOPPED: i32 = 74;

/// The file that fails, at which call of how many of its kind, and how.
struct Case {
    path: &'static str,
    call: &'static str,
    at: usize,
    deed: Deed,
    code: i32,
    said: &'static str,
}

const fn aborts(path: &'static str, call: &'static str, at: usize, said: &'static str) -> Case {
    Case {
        path,
        call,
        at,
        deed: Deed::Eio,
        code: ABORTED,
        said,
    }
}

const JOURNAL: &str = ".seg";
const STORE: &str = "/store/db";
const WRITING: &str = "cannot write to the journal: cannot write to the journal segment";
const SYNCING: &str = "cannot write to the journal: cannot sync the journal segment";

#[test]
fn a_write_to_the_journal_that_fails_ends_the_coordinator_and_loses_nothing_acknowledged() {
    check(&[
        aborts(JOURNAL, "pwrite", 1, WRITING),
        aborts(JOURNAL, "pwrite", 23, WRITING),
    ]);
}

#[test]
fn a_sync_of_the_journal_that_fails_ends_the_coordinator_and_loses_nothing_acknowledged() {
    check(&[
        aborts(JOURNAL, "fdatasync", 1, SYNCING),
        aborts(JOURNAL, "fdatasync", 23, SYNCING),
    ]);
}

#[test]
fn a_journal_whose_disk_is_full_in_the_middle_of_an_entry_stops_the_coordinator_with_its_own_code() {
    let full = |at| Case {
        deed: Deed::Enospc,
        code: STOPPED,
        ..aborts(JOURNAL, "pwrite", at, WRITING)
    };
    check(&[full(1), full(23)]);
}

#[test]
fn a_high_water_file_that_cannot_be_written_or_synced_ends_the_coordinator() {
    let said = "cannot write the high-water file";
    check(&[
        aborts("high-water", "write", 1, said),
        aborts("high-water", "fsync", 2, said),
    ]);
}

#[test]
fn a_store_that_cannot_be_written_or_synced_ends_the_coordinator_and_loses_nothing_acknowledged() {
    let said = "cannot write to the store";
    check(&[aborts(STORE, "pwrite,sync_file_range", 1, said)]);
}

fn check(cases: &[Case]) {
    for case in cases {
        let dir = tempfile::tempdir().unwrap();
        let Some(disk) = Disk::build(dir.path()) else {
            return;
        };
        let plan = disk
            .count(case.path, &dir.path().join("steps"))
            .calls(case.call)
            .when_armed()
            .at(case.at, case.deed);
        let mut coordinator = Coordinator::with_disk(dir, plan.clone());

        let load = Load::default();
        thread::scope(|scope| {
            for client in 0..CLIENTS {
                let (load, address) = (&load, coordinator.address().to_owned());
                scope.spawn(move || load.submit_until_refused(&address, client));
            }
            wait_until("some submits are acknowledged", || {
                load.acknowledged.lock().unwrap().len() >= ACKNOWLEDGED_BEFORE
            });
            plan.arm();
            let code = coordinator.program().wait(PATIENCE);
            assert_eq!(code, case.code, "{} {}", case.call, case.path);
        });
        let log = coordinator.program().log();
        assert!(log.contains(case.said), "{log}");
        assert!(log.contains("nothing that was acknowledged is lost"), "{log}");

        let steps = plan.steps();
        assert!(steps[case.at - 1].is_hit, "{steps:?}");
        // sled has threads of its own, and the store is built anew from the journal in any case.
        let is_over = steps.len() == case.at || case.path == STORE;
        assert!(is_over, "it was tried again: {steps:?}");
        coordinator.mend_disk();
        coordinator.start_again();
        load.check(&coordinator.client());
    }
}

#[derive(Default)]
struct Load {
    begun: AtomicUsize,
    acknowledged: Mutex<BTreeSet<String>>,
    /// Tasks whose submit was neither acknowledged nor refused.
    unanswered: Mutex<BTreeSet<String>>,
}

impl Load {
    /// Submits task after task, until one is not acknowledged.
    fn submit_until_refused(&self, address: &str, client: usize) {
        let connection = Client::connect(address);
        loop {
            let number = self.begun.fetch_add(1, Ordering::Relaxed);
            let id = format!("task-{client}-{number}");
            let answer = connection.try_submit(vec![shell_task(&id, "true")]);
            let of = if answer.is_ok() {
                &self.acknowledged
            } else {
                &self.unanswered
            };
            of.lock().unwrap().insert(id);
            if answer.is_err() {
                return;
            }
        }
    }

    fn check(&self, client: &Client) {
        let acknowledged = self.acknowledged.lock().unwrap();
        let unanswered = self.unanswered.lock().unwrap();
        assert!(acknowledged.len() >= ACKNOWLEDGED_BEFORE && unanswered.len() == CLIENTS);
        let events = client.all_events();
        let submitted = count_by_task(&events, "task_submitted");
        for id in &*acknowledged {
            assert_eq!(submitted.get(id.as_str()), Some(&1), "{id} was acknowledged");
            assert_eq!(client.task(id).state(), TaskState::Queued);
        }
        let others: BTreeMap<_, _> = submitted
            .iter()
            .filter(|(id, _)| !acknowledged.contains(**id))
            .collect();
        assert!(
            others
                .iter()
                .all(|(id, count)| unanswered.contains(**id) && **count == 1),
            "{others:?}"
        );
        for id in &*unanswered {
            let existed = client.submit(vec![shell_task(id, "true")]).tasks[0].existed;
            assert_eq!(existed, others.contains_key(&id.as_str()), "{id}");
        }
        println!(
            "{} acknowledged and there; of {CLIENTS} without an answer {} there once",
            acknowledged.len(),
            others.len()
        );
    }
}
