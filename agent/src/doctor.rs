//! `agent doctor`: checks whether this machine can work for its coordinator, and says what mends it if not.

use std::path::Path;

use swarm_program::doctor::{checkup, report::Report};

use crate::{
    disk::{
        state_directory,
        workspace::{self, Bounds, MAX_KEPT, Space},
    },
    executor::KINDS,
    process::tree,
    program::config::Config,
};

/// Free space below which outcomes may not fit beside the files of the tasks.
const LEAST_FREE_BYTES: u64 = 1024 * 1024 * 1024;

const MIB: u64 = 1024 * 1024;

/// The result of all checks.
pub(crate) struct Diagnosis {
    /// The checks, line by line.
    pub(crate) report: Report,
    /// Whether any of the named coordinators answered.
    pub(crate) is_reached: bool,
}

/// Checks everything that the agent needs. It makes a file and a directory to try, and removes them again.
pub(crate) async fn diagnose(config: &Config) -> Diagnosis {
    let mut report = Report::default();
    check_state(&mut report, config);
    if let Some(workspace) = &config.workspace {
        check_workspace(&mut report, workspace, config);
    }
    for kind in KINDS {
        (kind.probe)(&mut report);
    }
    check_processes(&mut report);
    let mut is_reached = false;
    for address in &config.coordinator {
        is_reached |= checkup::coordinator(&mut report, address).await.is_some();
    }
    Diagnosis { report, is_reached }
}

fn check_state(report: &mut Report, config: &Config) {
    let fix = "name a directory that this user can write with --state-dir DIR";
    let place = match state_directory::locate(config.state_dir.as_deref(), config.name.as_deref()) {
        Ok(place) => place,
        Err(why) => return report.wrong("state directory", why, fix),
    };
    match state_directory::is_in_use(&place) {
        Ok(true) => report.notable(
            "lock",
            format!("another agent works with {}", place.display()),
            "that is well if it is meant to; a second one needs another --name or --state-dir",
        ),
        Ok(false) => report.well("lock", format!("no other agent works with {}", place.display())),
        Err(error) => report.wrong(
            "lock",
            format!("cannot look at {}: {error}", place.display()),
            fix,
        ),
    }
    check_directory(report, "state directory", &place, fix);
    if config.workspace.is_none() {
        tell_kept(report, &place, config);
    }
}

fn check_workspace(report: &mut Report, named: &Path, config: &Config) {
    let fix = "name a directory that this user can write with --workspace DIR";
    match std::path::absolute(named) {
        Ok(place) => {
            check_directory(report, "workspace", &place, fix);
            tell_kept(report, &place, config);
        }
        Err(error) => report.wrong(
            "workspace",
            format!("cannot tell where {} is: {error}", named.display()),
            fix,
        ),
    }
}

/// Checks that a directory can be written or made, and how much space is free.
fn check_directory(report: &mut Report, check: &'static str, place: &Path, fix: &str) {
    let Some(there) = place.ancestors().find(|dir| dir.exists()) else {
        return report.wrong(check, format!("{} can be nowhere", place.display()), fix);
    };
    if let Err(error) = workspace::try_directory(there) {
        let what = if there == place { "write" } else { "be made in" };
        let message = match what {
            "write" => format!("cannot write {}: {error}", place.display()),
            _ => format!("{} cannot {what} {}: {error}", place.display(), there.display()),
        };
        return report.wrong(check, message, fix);
    }
    let state = if there == place {
        "can be written"
    } else {
        "will be made"
    };
    match Space::at(there) {
        Ok(space) if space.free < LEAST_FREE_BYTES => report.notable(
            check,
            format!(
                "{} {state}, with only {} MiB free",
                place.display(),
                space.free / MIB
            ),
            "make room there, or name a directory on another disk",
        ),
        Ok(space) => report.well(
            check,
            format!(
                "{} {state}, with {} GiB free",
                place.display(),
                space.free / (1024 * MIB)
            ),
        ),
        Err(error) => report.notable(
            check,
            format!(
                "{} {state}; how much is free there is not known: {error}",
                place.display()
            ),
            "see with: df -h",
        ),
    }
}

/// Says how much disk the directories of ended attempts may take.
fn tell_kept(report: &mut Report, place: &Path, config: &Config) {
    let bounds = Bounds::of(config);
    let there = place.ancestors().find(|dir| dir.exists());
    let Some(Ok(space)) = there.map(Space::at) else {
        return;
    };
    report.well(
        "kept directories",
        format!(
            "at most {MAX_KEPT} and {} MiB are kept, and {} MiB of their disk stay free (--keep-bytes, --keep-free)",
            bounds.bytes / MIB,
            bounds.least_free(space) / MIB
        ),
    );
}

/// Checks that the processes of a task can be found and ended.
fn check_processes(report: &mut Report) {
    if !tree::FINDS_MARKED {
        return report.notable(
            "processes",
            "on this system only a task's process group is ended, not what leaves it",
            "run the agent on Linux if tasks start services in the background",
        );
    }
    match tree::try_proc() {
        Ok(()) => report.well(
            "processes",
            "/proc can be read: everything that a task starts is found and ended",
        ),
        Err(error) => report.wrong(
            "processes",
            format!("/proc cannot be used: {error}; what a task leaves running stays"),
            "mount /proc for the agent, as with: mount -t proc proc /proc (or unshare --mount-proc)",
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_directory_that_cannot_be_written_is_told_with_its_fix() {
        let dir = tempfile::tempdir().unwrap();
        let mut report = Report::default();
        check_directory(&mut report, "workspace", &dir.path().join("new/one"), "fix it");
        assert!(report.is_well(), "{report}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        check_directory(&mut report, "workspace", &file.join("below"), "fix it");
        assert!(!report.is_well(), "{report}");
        assert!(report.to_string().contains("    fix: fix it\n"), "{report}");
    }
}
