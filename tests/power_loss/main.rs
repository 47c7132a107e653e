//! Power is lost at every point of a recorded run: nothing acknowledged is lost, and nothing is taken for damage.
//!
//! A coordinator runs under load with a library between it and its disk that records what is written, renamed,
//! removed and synced, with every byte, and what its clients were told in between. Then the disk is put together
//! as it can be after each of these operations when power is lost there, and the real recovery opens it.
//!
//! `POWER_LOSS_REPORT=FILE` writes a line of JSON with what was tried.

#![expect(
    clippy::unwrap_used,
    reason = "in a test a panic is the report; clippy knows only the #[test] functions"
)]

#[expect(dead_code, reason = "shared with the other tests of the real programs")]
#[path = "../harness/mod.rs"]
mod harness;

mod disk;
mod recording;
mod replay;
mod start;
mod trace;

use std::{env, fs, thread};

use recording::Recording;
use replay::{Sabotage, replay};

/// Requests of the clients, and so syncs of the disk: each request is on disk before its answer.
const OPERATIONS: usize = 10_000;

/// For the runs with a planted fault: enough for segments to end and snapshots to be taken.
const FEW_OPERATIONS: usize = 1_000;

/// Points at which the whole program is started on what is left.
const STARTS: usize = 24;

#[test]
fn a_power_loss_at_any_point_of_a_run_loses_nothing_acknowledged() {
    let Some(recording) = Recording::make(OPERATIONS) else {
        return;
    };
    let acknowledged = recording.trace.acknowledged().count();
    let operations = recording.trace.operations().count() - acknowledged;
    assert!(acknowledged >= OPERATIONS && operations >= OPERATIONS);
    assert_eq!(recording.difference(), None, "the trace is not what was done");

    let (report, starts) = thread::scope(|scope| {
        // Much of a start is waiting.
        let starts = scope.spawn(|| start::start_at_some_points(&recording.trace, STARTS));
        let report = replay(&recording.trace, Sabotage::None);
        (report, starts.join().unwrap())
    });
    let report = report.unwrap_or_else(|violation| panic!("{violation}"));
    let line = format!(
        "{{\"operations\":{operations},\"acknowledged\":{acknowledged},\"points\":{},\
         \"faults\":{{\"none\":{},\"dropped\":{},\"kept\":{},\"torn\":{}}},\
         \"cut_ends\":{},\"snapshots\":{},\"starts\":{starts},\"violations\":0}}",
        report.points,
        report.whole,
        report.dropped,
        report.kept,
        report.torn,
        report.cut_ends,
        report.snapshots,
    );
    println!("{line}");
    if let Some(file) = env::var_os("POWER_LOSS_REPORT") {
        fs::write(file, line + "\n").unwrap();
    }
    // Each operation on the files has its point, but those that change nothing; how many they are depends on how many
    // requests a slow disk or a busy machine lets one group commit take.
    assert!(report.points >= OPERATIONS / 2, "{report:?}");
    // A run in which a fault never occurs says nothing about it.
    for count in [report.dropped, report.kept, report.torn, report.cut_ends] {
        assert!(count > 100, "{report:?}");
    }
    assert!(report.snapshots > 5, "{report:?}");
}

#[test]
fn a_coordinator_that_leaves_out_a_sync_is_found_out() {
    let Some(recording) = Recording::make(FEW_OPERATIONS) else {
        return;
    };
    assert!(replay(&recording.trace, Sabotage::None).is_ok());
    for sabotage in [
        Sabotage::NoSyncOfSegments,
        Sabotage::LateSyncOfSegments,
        Sabotage::NoSyncOfNames,
        Sabotage::NoSyncOfSnapshots,
    ] {
        let violation = replay(&recording.trace, sabotage).err();
        println!(
            "{sabotage:?}: {}",
            violation.as_deref().unwrap_or("nothing found")
        );
        assert!(violation.is_some(), "{sabotage:?} goes unnoticed");
    }
}
