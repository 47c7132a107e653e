//! The coordinator's data directory, by its status: disk space, and how far journal and store lag.

use swarm_program::doctor::report::Report;
use swarm_proto::v1::GetStatusResponse;

use crate::output::text;

/// Free space below which doctor warns, in bytes: journal and store may fill as much within days.
const LITTLE_FREE_BYTES: u64 = 1024 * 1024 * 1024;

/// Events that wait for the journal. A healthy disk leaves fewer between two group commits under the largest load.
const NOTABLE_JOURNAL_LAG: u64 = 10_000;

/// Events that the store lags: half of the lag at which the coordinator refuses submits.
const NOTABLE_STORE_LAG: u64 = 100_000;

const CHECK: &str = "data directory";
const FREE_SOME: &str = "free some space where the coordinator keeps its data, or have it keep less: --keep-tasks, \
                         --keep-events-bytes";
const SLOW_DISK: &str =
    "see how busy that machine's disk is, such as with iostat, and what else writes to it";

/// Checks what a coordinator tells of its data directory.
pub(super) fn check(report: &mut Report, status: &GetStatusResponse) {
    let taken = format!(
        "journal {}, store {}",
        text::bytes(status.journal_bytes),
        text::bytes(status.store_bytes)
    );
    let left = match status.free_bytes {
        Some(free) => format!("{} left on its disk", text::bytes(free)),
        None => "what its disk has left is not known".to_owned(),
    };
    if status.disk_refuses_claims {
        report.wrong(
            CHECK,
            format!("the disk is full, {left}: submits and claims are refused"),
            FREE_SOME,
        );
    } else if status.disk_refuses_submits {
        report.wrong(
            CHECK,
            format!("the disk is almost full, {left}: submits are refused"),
            FREE_SOME,
        );
    } else if status.free_bytes.is_some_and(|free| free < LITTLE_FREE_BYTES) {
        report.notable(CHECK, format!("{taken}, and only {left}"), FREE_SOME);
    } else {
        report.well(CHECK, format!("{taken}, {left}"));
    }
    let behind = status.journal_seq.saturating_sub(status.store_seq);
    let events = |count| text::counted(count, "event");
    if status.journal_lag > NOTABLE_JOURNAL_LAG {
        let lag = events(status.journal_lag);
        report.notable(
            CHECK,
            format!("{lag} wait to be written to the journal"),
            SLOW_DISK,
        );
    }
    if behind > NOTABLE_STORE_LAG {
        report.notable(
            CHECK,
            format!("the store is {} behind the journal", events(behind)),
            SLOW_DISK,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(change: impl FnOnce(&mut GetStatusResponse)) -> String {
        let mut status = GetStatusResponse {
            journal_bytes: 16 << 20,
            store_bytes: 2 << 20,
            free_bytes: Some(40 << 30),
            journal_seq: 500_000,
            store_seq: 499_000,
            ..GetStatusResponse::default()
        };
        change(&mut status);
        let mut report = Report::default();
        check(&mut report, &status);
        let json = report.json();
        let checks = json["checks"].as_array().unwrap();
        for check in checks {
            assert_eq!(
                check["state"] == "ok",
                check["fix"] == "",
                "each with its fix: {check}"
            );
        }
        report.to_string()
    }

    #[test]
    fn what_is_wrong_with_the_disk_is_told_before_and_while_it_is_refused_for() {
        for (free, submits, claims, told) in [
            (
                Some(40 << 30),
                false,
                false,
                "✔ data directory: journal 16 MiB, store 2 MiB, 40 GiB left",
            ),
            (
                None,
                false,
                false,
                "✔ data directory: journal 16 MiB, store 2 MiB, what its disk",
            ),
            (
                Some(500 << 20),
                false,
                false,
                "! data directory: journal 16 MiB, store 2 MiB, and only 500 MiB left",
            ),
            (
                Some(50 << 20),
                true,
                false,
                "✘ data directory: the disk is almost full, 50 MiB left",
            ),
            (
                Some(9 << 20),
                true,
                true,
                "✘ data directory: the disk is full, 9 MiB left",
            ),
        ] {
            let said = said(|status| {
                status.free_bytes = free;
                (status.disk_refuses_submits, status.disk_refuses_claims) = (submits, claims);
            });
            assert!(said.starts_with(told), "{said}");
        }
    }

    #[test]
    fn a_journal_or_store_that_cannot_follow_is_told() {
        assert!(
            said(|status| status.journal_lag = 10_001)
                .contains("! data directory: 10001 events wait to be written")
        );
        assert!(
            said(|status| status.store_seq = 300_000)
                .contains("! data directory: the store is 200000 events behind")
        );
    }
}
