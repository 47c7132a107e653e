use swarm_proto::v1::{LeaseRef, Output, Success, attempt_report::Outcome};

use super::*;

fn report(task_id: &str) -> (AttemptKey, AttemptReport) {
    let lease = LeaseRef {
        task_id: task_id.to_owned(),
        attempt: 2,
        lease_token: b"sixteen bytes !!".to_vec(),
        run_time: None,
    };
    let output = Output {
        stdout: b"out".to_vec(),
        stderr: b"err".to_vec(),
        stdout_bytes: 3,
        stderr_bytes: 3,
        ..Output::default()
    };
    let key = AttemptKey::of(&lease);
    let outcome = Some(Outcome::Success(Success {}));
    (
        key,
        AttemptReport {
            lease: Some(lease),
            output: Some(output),
            outcome,
        },
    )
}

/// The files in an outbox, without the refused results.
fn files(outbox: &Outbox) -> Vec<PathBuf> {
    let entries = fs::read_dir(&outbox.directory).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.is_file()).collect()
}

#[test]
fn an_outcome_survives_until_it_is_confirmed() {
    let state = tempfile::tempdir().unwrap();
    let (key, sent) = report("a");
    let (outbox, leftovers) = Outbox::open(state.path(), "c1").unwrap();
    assert!(leftovers.is_empty());
    outbox.put(&key, &sent).unwrap();
    let (outbox, leftovers) = Outbox::open(state.path(), "c1").unwrap();
    assert_eq!(leftovers[0].report, sent);
    outbox.confirm(&key).unwrap();
    outbox.confirm(&key).unwrap();
    assert!(Outbox::open(state.path(), "c1").unwrap().1.is_empty());
}

#[test]
fn outcomes_of_one_coordinator_are_not_seen_by_another() {
    let state = tempfile::tempdir().unwrap();
    let (key, sent) = report("a");
    Outbox::open(state.path(), "c1")
        .unwrap()
        .0
        .put(&key, &sent)
        .unwrap();
    assert!(Outbox::open(state.path(), "c2").unwrap().1.is_empty());
    assert!(Outbox::open(state.path(), "../c1").is_err());
}

#[test]
fn a_refused_result_stays_readable_and_its_token_does_not() {
    let state = tempfile::tempdir().unwrap();
    let (key, sent) = report("a");
    let (outbox, _) = Outbox::open(state.path(), "c1").unwrap();
    outbox.put(&key, &sent).unwrap();
    let kept = outbox.refuse(&key, &sent, "somebody else has it").unwrap();
    assert_eq!(fs::read(kept.join("stdout")).unwrap(), b"out");
    assert_eq!(
        fs::read_to_string(kept.join("why")).unwrap(),
        "somebody else has it\n"
    );
    assert!(
        !fs::read(kept.join("report"))
            .unwrap()
            .windows(16)
            .any(|w| w == b"sixteen bytes !!")
    );
    assert!(Outbox::open(state.path(), "c1").unwrap().1.is_empty());
}

#[test]
fn a_file_is_written_over_once_its_report_is_confirmed_and_never_before() {
    let state = tempfile::tempdir().unwrap();
    let (outbox, _) = Outbox::open(state.path(), "c1").unwrap();
    let long = |task_id: &str| {
        let (key, mut report) = report(task_id);
        report.output.get_or_insert_default().stdout = vec![b'x'; 10_000];
        (key, report)
    };
    let (a, b, c, d) = (long("a"), report("b"), report("c"), long("d"));
    outbox.put(&a.0, &a.1).unwrap();
    outbox.confirm(&a.0).unwrap();
    // A short report over a long one, then a longer one over that.
    for (key, sent) in [&b, &c] {
        outbox.put(key, sent).unwrap();
    }
    outbox.confirm(&b.0).unwrap();
    outbox.put(&d.0, &d.1).unwrap();
    assert_eq!(files(&outbox).len(), 2);

    let (outbox, leftovers) = Outbox::open(state.path(), "c1").unwrap();
    let mut left: Vec<_> = leftovers.into_iter().map(|left| left.report).collect();
    left.sort_by_key(|report| report.lease.clone().unwrap().task_id);
    assert_eq!(left, [c.1.clone(), d.1.clone()]);
    // The files of an earlier process do not disturb.
    outbox.put(&b.0, &b.1).unwrap();
    outbox.confirm(&c.0).unwrap();
    outbox.confirm(&d.0).unwrap();
    let (outbox, leftovers) = Outbox::open(state.path(), "c1").unwrap();
    assert_eq!(
        leftovers.into_iter().map(|left| left.report).collect::<Vec<_>>(),
        [b.1]
    );
    assert_eq!(files(&outbox).len(), 1);
}

#[test]
fn no_more_free_files_are_kept_than_the_bound() {
    let state = tempfile::tempdir().unwrap();
    let (outbox, _) = Outbox::open(state.path(), "c1").unwrap();
    let reports: Vec<_> = (0..=MAX_FREE).map(|n| report(&format!("t{n}"))).collect();
    for (key, sent) in &reports {
        outbox.put(key, sent).unwrap();
    }
    for (key, _) in &reports {
        outbox.confirm(key).unwrap();
    }
    assert_eq!(files(&outbox).len(), MAX_FREE);
    let directory = outbox.directory.clone();
    drop(outbox);
    assert_eq!(fs::read_dir(directory).unwrap().count(), 1);
}

#[test]
fn a_file_that_was_taken_away_stands_in_nobodys_way() {
    let state = tempfile::tempdir().unwrap();
    let (outbox, _) = Outbox::open(state.path(), "c1").unwrap();
    let (key, sent) = report("a");
    outbox.put(&key, &sent).unwrap();
    outbox.confirm(&key).unwrap();
    fs::remove_file(files(&outbox).remove(0)).unwrap();
    outbox.put(&key, &sent).unwrap();
    assert_eq!(Outbox::open(state.path(), "c1").unwrap().1.len(), 1);
}

#[test]
fn of_two_reports_of_one_attempt_the_later_one_counts() {
    let state = tempfile::tempdir().unwrap();
    let (outbox, _) = Outbox::open(state.path(), "c1").unwrap();
    let (key, first) = report("a");
    let mut second = first.clone();
    second.lease.as_mut().unwrap().lease_token = b"another sixteen!".to_vec();
    outbox.put(&key, &first).unwrap();
    let lost_confirmation = fs::read(files(&outbox).remove(0)).unwrap();
    outbox.confirm(&key).unwrap();
    outbox.put(&key, &second).unwrap();
    for name in ["0.report", "zzzzzzzzzz.report"] {
        // The confirmed report, as a power loss brings it back.
        fs::write(outbox.directory.join(name), &lost_confirmation).unwrap();
        let (outbox, leftovers) = Outbox::open(state.path(), "c1").unwrap();
        let left: Vec<_> = leftovers.into_iter().map(|left| left.report).collect();
        assert_eq!(left, [second.clone()]);
        assert_eq!(files(&outbox).len(), 1);
    }
    outbox.put(&key, &second).unwrap();
    assert_eq!(outbox.files().taken.len(), 1);
    outbox.confirm(&key).unwrap();
    assert!(Outbox::open(state.path(), "c1").unwrap().1.is_empty());
}

#[test]
fn an_outcome_that_could_not_be_written_leaves_nothing_behind() {
    let state = tempfile::tempdir().unwrap();
    let (outbox, _) = Outbox::open(state.path(), "c1").unwrap();
    let (key, sent) = report("a");
    let obstacle = outbox
        .directory
        .join(format!("{}-1.report.partial", outbox.opening));
    fs::create_dir(&obstacle).unwrap();
    outbox.put(&key, &sent).unwrap_err();
    outbox.put(&key, &sent).unwrap();
    outbox.confirm(&key).unwrap();
    fs::remove_dir(obstacle).unwrap();
    let directory = outbox.directory.clone();
    drop(outbox);
    assert_eq!(fs::read_dir(directory).unwrap().count(), 1);
}

#[test]
fn what_an_earlier_opening_still_does_changes_nothing() {
    let state = tempfile::tempdir().unwrap();
    let (earlier, _) = Outbox::open(state.path(), "c1").unwrap();
    let (a, b) = (report("a"), report("b"));
    earlier.put(&a.0, &a.1).unwrap();
    earlier.confirm(&a.0).unwrap();
    let (outbox, _) = Outbox::open(state.path(), "c1").unwrap();
    outbox.put(&b.0, &b.1).unwrap();
    drop(earlier);
    drop(outbox);
    assert_eq!(Outbox::open(state.path(), "c1").unwrap().1.len(), 1);
}

#[test]
fn a_damaged_file_is_set_aside_and_blocks_nothing() {
    let state = tempfile::tempdir().unwrap();
    let (key, sent) = report("a");
    let (outbox, _) = Outbox::open(state.path(), "c1").unwrap();
    outbox.put(&key, &sent).unwrap();
    let mut damaged = fs::read(files(&outbox).remove(0)).unwrap();
    damaged[11] ^= 1;
    fs::write(outbox.directory.join("1.report"), damaged).unwrap();
    fs::write(outbox.directory.join("2.report"), b"half").unwrap();
    fs::write(outbox.directory.join("b.1.report"), b"none of ours").unwrap();
    fs::write(outbox.directory.join("3.report.partial"), b"half").unwrap();
    fs::create_dir(outbox.directory.join("4.report.partial")).unwrap();
    let (outbox, leftovers) = Outbox::open(state.path(), "c1").unwrap();
    assert_eq!(leftovers.len(), 1);
    assert_eq!(fs::read_dir(outbox.refused()).unwrap().count(), 3);
    assert!(!outbox.directory.join("3.report.partial").exists());
}
