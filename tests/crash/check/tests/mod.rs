//! Histories written by hand: the checker has to find what is wrong in each, and nothing in what is merely odd.

mod calls;
mod story;

use super::violations;
use crate::crash::history::{Connection, Line, Reader};
use story::Story;

/// A dependency and its dependent, a loss, a late success, a failure that is tried again, a cancel and a retry.
const SOUND: &str = "
    d submitted
    t submitted after d
    d granted 1 a
    d expired 1 a silent
    d due
    d succeeded 1 a late
    t met d
    t granted 1 b
    t expired 1 b replaced
    t resumed 1 b
    t failed 1 b
    t due
    t granted 2 a
    t cancel-asked 2
    t cancelled 2
    t retried 2
    t granted 3 a
    t released 3 a
    t granted 4 b
    t succeeded 4 b
";

/// Each is a story in which one thing must not be, and a part of the sentence that says so.
#[track_caller]
fn check(cases: &[(&str, &str)]) {
    for (story, expected) in cases {
        let found = violations(&Story::of(story).history);
        assert!(
            found.iter().any(|violation| violation.contains(expected)),
            "'{expected}' is not among {found:#?}\nin{story}"
        );
    }
}

#[track_caller]
fn sound(story: &Story) {
    assert_eq!(violations(&story.history), [""; 0]);
}

#[test]
fn nothing_is_wrong_with_a_long_and_eventful_history() {
    sound(&Story::of(SOUND));
}

#[test]
fn what_is_legal_though_odd_is_no_violation() {
    for story in [
        // Lost on three machines, and that is too many; its retries are whole.
        "t submitted
         t granted 1 a\nt expired 1 a silent\nt granted 2 b\nt expired 2 b silent\nt granted 3 c
         t expired 3 c silent\nt gave-up",
        // The failure is reported late, and counts instead of the loss.
        "t submitted\nt granted 1 a\nt expired 1 a silent\nt failed 1 a\nt granted 2 a\nt failed 2 a\nt granted 3 a
         t failed 3 a\nt gave-up",
        // Cancelled when its lease expired, and given back late.
        "t submitted\nt granted 1 a\nt cancel-asked 1\nt expired 1 a silent\nt cancelled 0
         u submitted\nu granted 1 a\nu expired 1 a undelivered\nu released 1 a\nu cancelled 0",
        // Its dependency ended before it was submitted, and its other one may end as it likes.
        "d submitted\nd cancelled 0\ne submitted\ne granted 1 a\ne succeeded 1 a\nt submitted after e finished:d
         t granted 1 a\nt succeeded 1 a",
        // Skipped, and back again with its dependency.
        "d submitted\nt submitted after d\nd cancelled 0\nt skipped d\nd retried 2\nt returned 2 d\nd granted 1 a
         d succeeded 1 a\nt met d\nt granted 1 a\nt succeeded 1 a",
        // One after the other.
        "t submitted in g\nu submitted in g\nt granted 1 a\nt expired 1 a silent\nu granted 1 b\nu succeeded 1 b
         t succeeded 1 a late",
    ] {
        sound(&Story::of(story));
    }
}

#[test]
fn a_task_that_is_given_to_two_or_completed_twice_is_found() {
    check(&[
        (
            "t submitted\nt granted 1 a\nt granted 2 b\nt succeeded 2 b",
            "granted while 1 held",
        ),
        (
            "t submitted\nt granted 2 a\nt expired 2 a silent\nt granted 1 b\nt succeeded 1 b",
            "attempt 1 was granted after 2",
        ),
        (
            "t submitted\nt granted 1 a\nt expired 1 a silent\nt granted 1 a\nt succeeded 1 a",
            "attempt 1 was granted after 1",
        ),
        (
            "t submitted\nt granted 1 a\nt succeeded 1 a\nt succeeded 1 a",
            "ended the task",
        ),
        (
            "t submitted\nt granted 1 a\nt succeeded 1 a\nt succeeded 1 a late",
            "was accepted (Succeeded)",
        ),
        (
            "t submitted\nt granted 1 a\nt failed 1 a\nt failed 1 a\nt granted 2 a\nt succeeded 2 a",
            "a report of attempt 1 was accepted (Failed)",
        ),
        (
            "t submitted\nt granted 1 a\nt expired 1 a silent\nt granted 2 b\nt succeeded 1 a late",
            "was accepted (Succeeded), and Some(2) holds the lease",
        ),
        (
            "t submitted\nt granted 1 a\nt expired 1 a given_up\nt resumed 1 a\nt succeeded 1 a",
            "attempt 1 goes on, and somebody had given it up",
        ),
        (
            "t submitted\nt granted 1 a\nt expired 1 a silent\nt granted 2 b\nt resumed 1 a\nt succeeded 2 b",
            "something had happened since its loss",
        ),
        (
            "t submitted\nt granted 1 a\nt succeeded 1 a\nt granted 2 a\nt succeeded 2 a",
            "after it was",
        ),
        (
            "t submitted\nt cancelled 0\nt cancelled 0",
            "it became TASK_STATE_CANCELLED after it was",
        ),
        (
            "t submitted in g\nu submitted in g\nt granted 1 a\nu granted 1 b\nt succeeded 1 a\nu succeeded 1 b",
            "it was given to b while t of its group g ran",
        ),
        ("t granted 1 a", "never submitted"),
    ]);
}

#[test]
fn a_dependency_that_is_not_respected_is_found() {
    check(&[
        (
            "d submitted\nt submitted after d\nt granted 1 a\nt succeeded 1 a\nd cancelled 0",
            "before its dependency d allowed it",
        ),
        (
            "d submitted\nt submitted after d\nd cancelled 0\nt met d\nt granted 1 a\nt succeeded 1 a",
            "its dependency d counts as met",
        ),
        (
            "d submitted\nt submitted after d\nd granted 1 a\nd succeeded 1 a\nt skipped d",
            "it was skipped because of d",
        ),
        (
            "d submitted\nt submitted\nd cancelled 0\nt met d\nt cancelled 0",
            "it never waited for d",
        ),
    ]);
}

#[test]
fn tries_cancels_and_rounds_that_are_not_kept_are_found() {
    check(&[
        // A machine's loss took a retry.
        ("t submitted\nt granted 1 a\nt expired 1 a silent\nt gave-up", "of 2 retries 0 failures used some"),
        (
            "t submitted\nt granted 1 a\nt failed 1 a\nt granted 2 a\nt expired 2 a silent\nt granted 3 b\nt failed 3 b
             t gave-up",
            "of 2 retries 2 failures used some; it was lost 1 times",
        ),
        // A loss that was taken back.
        (
            "t submitted\nt granted 1 a\nt expired 1 a silent\nt granted 2 b\nt expired 2 b silent\nt granted 3 c
             t expired 3 c silent\nt resumed 3 c\nt released 3 c\nt gave-up",
            "0 failures used some; it was lost 2 times",
        ),
        (
            "t submitted\nt granted 1 a\nt cancel-asked 1\nt succeeded 1 a",
            "it succeeded after its cancel had been accepted",
        ),
        ("t submitted\nt granted 1 a\nt cancelled 1", "nobody had asked"),
        ("t submitted\nt granted 1 a\nt retried 2\nt succeeded 1 a", "it was retried while it was"),
        ("t submitted\nt cancelled 0\nt retried 3\nt cancelled 0", "round 3 followed 1"),
    ]);
}

#[test]
fn what_does_not_end_or_is_read_otherwise_is_found() {
    check(&[
        ("t submitted", "task t has not ended"),
        ("t submitted\nt granted 1 a", "task t has not ended"),
    ]);
    let changed = |change: fn(&mut Story), expected: &str| {
        let mut story = Story::of(SOUND);
        change(&mut story);
        let found = violations(&story.history);
        assert!(
            found.iter().any(|violation| violation.contains(expected)),
            "{found:#?}"
        );
    };
    changed(
        |story| story.task("t").attempt_count = 3,
        "is read as TASK_STATE_SUCCEEDED after 3 attempts",
    );
    changed(|story| story.task("d").revision -= 1, "task d is read as");
    changed(
        |story| story.task("d").tries.get_or_insert_default().failures = 1,
        "1 failures in round 1",
    );
    changed(|story| story.history.tasks.clear(), "cannot be read");
    changed(
        |story| story.task("t").task_id = "x".to_owned(),
        "task x can be read and is not in the log",
    );
}

#[test]
fn a_reader_that_misses_repeats_or_is_sent_something_else_is_found() {
    /// A reader that was sent these seqs on one connection after the other.
    fn reader(story: &mut Story, connections: &[(u64, &[usize])]) {
        let events = |seqs: &[usize]| {
            seqs.iter()
                .map(|seq| story.history.log[seq - 1].clone())
                .collect()
        };
        let connections = connections.iter().map(|&(from_seq, seqs)| Connection {
            from_seq,
            events: events(seqs),
        });
        let reader = Reader {
            name: "r".to_owned(),
            connections: connections.collect(),
        };
        story.history.readers.push(reader);
    }
    type Sent<'a> = &'a [(u64, &'a [usize])];
    let legal: [Sent<'_>; 4] = [
        &[],
        &[(0, &[1, 2, 3])],
        &[(0, &[1, 2, 3]), (4, &[]), (4, &[4, 5])],
        &[(7, &[7, 8])],
    ];
    for connections in legal {
        let mut story = Story::of(SOUND);
        reader(&mut story, connections);
        sound(&story);
    }
    let illegal: [(Sent<'_>, &str); 5] = [
        (&[(0, &[1, 3])], "was sent seq 3 where 2 comes next"),
        (&[(0, &[1, 2, 2])], "was sent seq 2 where 3 comes next"),
        (&[(0, &[2, 1])], "was sent seq 2 where 1 comes next"),
        (&[(0, &[1, 2]), (3, &[4])], "was sent seq 4 where 3 comes next"),
        (&[(0, &[1, 2]), (4, &[4])], "asked from seq 4"),
    ];
    for (connections, expected) in illegal {
        let mut story = Story::of(SOUND);
        reader(&mut story, connections);
        let found = violations(&story.history);
        assert!(
            found.iter().any(|violation| violation.contains(expected)),
            "{found:#?}"
        );
    }

    // The reader was sent another event than the log has.
    let mut story = Story::of(SOUND);
    reader(&mut story, &[(0, &[1, 2, 3])]);
    story.history.readers[0].connections[0].events[1].attempt = 9;
    assert!(violations(&story.history)[0].contains("was sent seq 2 as"));
    let mut story = Story::of("t submitted\nt cancelled 0\nt retried 2\nt cancelled 0");
    reader(&mut story, &[(0, &[1, 2, 3, 4])]);
    story.history.log.truncate(2);
    assert!(violations(&story.history)[0].contains("was sent seq 3, which is gone"));
    // The log itself has a gap.
    let mut story = Story::of(SOUND);
    story.history.log.remove(4);
    assert!(violations(&story.history)[0].contains("the log has seq 6 where 5 should be"));
}

#[test]
fn a_command_that_runs_without_a_lease_or_beside_another_one_is_found() {
    const LOST: &str = "t submitted\nt granted 1 a\nt expired 1 a silent\nt granted 2 b\nt succeeded 2 b";
    const FAILED: &str = "t submitted\nt granted 1 a\nt failed 1 a\nt granted 2 b\nt succeeded 2 b";
    const SILENCED: &str = "t submitted\nt granted 1 a\nt silenced 1 a\nt granted 2 b\nt succeeded 2 b";
    const RELEASED: &str = "t submitted\nt granted 1 a\nt released 1 a\nt granted 2 b\nt succeeded 2 b";
    let found = |story: &str, lines: &str| {
        let mut story = Story::of(story);
        story.history.lines = lines
            .split(", ")
            .filter_map(|line| Line::parse(&format!("t {line}")))
            .collect();
        let calls = std::mem::take(&mut story.history.calls);
        story.history.calls = calls.into_iter().filter(|call| call.client != "fake").collect();
        violations(&story.history)
    };
    for (story, lines) in [
        (LOST, "1 start, 2 start, 1 end, 2 end"),
        (LOST, "2 start, 1 start, 2 end, 1 end"),
        (LOST, "1 start, 2 start, 2 end"),
        (FAILED, "1 start, 1 end, 2 start, 2 end"),
        // Killed, and reported so.
        (FAILED, "1 start, 2 start, 2 end"),
        (RELEASED, "2 start, 2 end"),
        (SILENCED, "1 start, 1 end, 2 start, 2 end"),
    ] {
        assert_eq!(found(story, lines), [""; 0], "{lines}");
    }
    for (story, lines, expected) in [
        (
            LOST,
            "1 start, 1 end, 1 start, 2 start, 2 end",
            "its command started twice",
        ),
        (LOST, "2 start, 2 end, 2 end", "its command ended twice"),
        (
            LOST,
            "1 end, 2 start, 2 end",
            "its command ended and never started",
        ),
        (
            LOST,
            "2 start, 2 end, 3 start",
            "attempt 3: its command ran without a lease",
        ),
        (
            FAILED,
            "1 start, 2 start, 1 end, 2 end",
            "attempt 2 ran beside attempt 1, whose lease was not lost",
        ),
        (
            FAILED,
            "1 start, 1 end, 2 start",
            "b reported it as done, and its command has not ended",
        ),
        (
            FAILED,
            "1 start, 1 end",
            "b reported it as done, and its command has not ended",
        ),
        (
            RELEASED,
            "1 start, 1 end, 2 start, 2 end",
            "was given back, and its command had run to its end",
        ),
        (
            "t submitted\nt granted 1 a\nt granted 2 b\nt succeeded 2 b",
            "1 start, 1 end, 2 start, 2 end",
            "which was neither lost nor reported",
        ),
    ] {
        let found = found(story, lines);
        assert!(
            found.iter().any(|violation| violation.contains(expected)),
            "{lines}: {found:#?}"
        );
    }
}
