//! Stored forms come back as they were, keep their bytes, and refuse bytes that they cannot read.

use std::{collections::BTreeSet, env, error::Error, fs, path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use prost::Message as _;
use swarm_engine::{
    event::{CancelledAttempt, Fact, Subject},
    id::{Seq, TaskId},
    noun::{
        lazy_box::LazyBox,
        outcome::{Blame, Failure, Loss, Outcome, Output},
        task::{Condition, Dependency, End, PastEnd, Phase, Task, TaskState, Times},
        tries::RetryPolicy,
    },
    time::Timestamp,
};
use swarm_proto::store;

use super::{
    StoredError, decode, decode_agent, decode_output, decode_task, encode, encode_agent, encode_job,
    encode_output, encode_task, examples, kind,
};

const LOSSES: [Loss; 7] = [
    Loss::Silent,
    Loss::Undelivered,
    Loss::Replaced,
    Loss::Deregistered,
    Loss::Overdue,
    Loss::GivenUp,
    Loss::Died,
];

#[test]
fn every_fact_comes_back_as_it_was() {
    for example in examples::events() {
        check_fact(example.fact);
    }
}

#[test]
fn the_kind_of_an_event_is_seen_without_reading_the_rest() {
    for example in examples::events() {
        let known = example.fact.kind();
        let mut bytes = encode(&example).to_vec();
        assert_eq!(kind(&bytes), Some(known));
        bytes.truncate(12);
        assert_eq!(kind(&bytes), Some(known), "the rest is not looked at");
    }
    assert_eq!(kind(&[]), None);
    assert_eq!(kind(&[0xff; 3]), None);
}

#[test]
fn every_record_comes_back_as_it_was() {
    for record in examples::records() {
        assert!((record.is_read_from)(&record.bytes), "{}", record.name);
    }
    assert_eq!(
        decode_output(&encode_output(&Output::default())).unwrap(),
        Output::default()
    );
}

#[test]
fn what_is_absent_stays_absent() {
    let subject = Subject {
        job: None,
        ..examples::subject()
    };
    check_fact(Fact::TaskDue { task: subject });
    check_fact(Fact::TaskCancelled {
        task: examples::subject(),
        attempt: None,
    });
    check_fact(Fact::TaskRetried {
        record: Arc::new(bare_task()),
        was: PastEnd {
            state: TaskState::Skipped,
            at: Timestamp(0),
        },
        because: None,
    });
    check_task(&bare_task());
    for fact in examples::events().into_iter().map(|event| event.fact) {
        match fact {
            Fact::LeaseExpired {
                task,
                attempt,
                agent,
                cause,
                due: _,
            } => {
                check_fact(Fact::LeaseExpired {
                    task,
                    attempt,
                    agent,
                    cause,
                    due: None,
                });
            }
            Fact::AttemptFailed {
                task,
                attempt,
                agent,
                failure,
                due: _,
                report,
                output: _,
            } => {
                let failure = Failure {
                    exit_code: None,
                    signal: None,
                    ..failure
                };
                let output = Arc::default();
                check_fact(Fact::AttemptFailed {
                    task,
                    attempt,
                    agent,
                    failure,
                    due: None,
                    report,
                    output,
                });
            }
            _ => {}
        }
    }
}

#[test]
fn zero_is_told_from_absent() {
    check_task(&Task {
        times: LazyBox::from(Times {
            deadline: Some(Timestamp(0)),
            ..*bare_task().times
        }),
        phase: Phase::Pending {
            due: Some(Timestamp(0)),
        },
        ..bare_task()
    });
    let failure = Failure {
        exit_code: Some(0),
        signal: Some(0),
        ..examples::failure()
    };
    let attempt = examples::attempt(1, Outcome::Failed(failure));
    check_task(&Task {
        attempts: vec![attempt].into(),
        ..examples::task()
    });
}

#[test]
fn every_phase_and_end_comes_back() {
    let at = Timestamp(u64::MAX);
    let ends = [
        End::Succeeded,
        End::Failed {
            reason: "failed 3 times".into(),
        },
        End::Cancelled,
        End::Skipped {
            because: TaskId::stored("fetch-1"),
        },
    ];
    let ended = ends.map(|end| Phase::ended(end, at));
    for phase in [Phase::Pending { due: None }, Phase::Pending { due: Some(at) }]
        .into_iter()
        .chain(ended)
    {
        check_task(&Task {
            phase,
            ..examples::task()
        });
    }
}

#[test]
fn every_outcome_loss_and_blame_comes_back() {
    let blamed = [Blame::Task, Blame::Machine, Blame::Provider].map(|blame| {
        Outcome::Failed(Failure {
            blame,
            ..examples::failure()
        })
    });
    let reported: Vec<Outcome> = [
        Outcome::Succeeded,
        Outcome::Cancelled,
        Outcome::Released {
            refused: true,
            reason: "full disk".into(),
        },
    ]
    .into_iter()
    .chain(blamed)
    .collect();
    for outcome in &reported {
        let attempt = CancelledAttempt {
            outcome: outcome.clone(),
            report: None,
            output: Arc::default(),
            ..examples::cancelled_attempt()
        };
        check_fact(Fact::TaskCancelled {
            task: examples::subject(),
            attempt: Some(attempt),
        });
    }
    for outcome in reported.into_iter().chain(LOSSES.map(Outcome::Lost)) {
        let mut attempt = examples::attempt(1, outcome);
        check_task(&Task {
            attempts: vec![attempt.clone()].into(),
            ..examples::task()
        });
        attempt.report = None;
        check_task(&Task {
            attempts: vec![attempt].into(),
            ..examples::task()
        });
    }
    for cause in LOSSES {
        let Fact::LeaseExpired {
            task,
            attempt,
            agent,
            cause: _,
            due,
        } = example("lease_expired").fact
        else {
            panic!("the example of lease_expired is another fact")
        };
        check_fact(Fact::LeaseExpired {
            task,
            attempt,
            agent,
            cause,
            due,
        });
    }
}

#[test]
fn extreme_values_come_back() {
    for priority in [i16::MIN, i16::MAX] {
        check_task(&Task {
            priority,
            ..examples::task()
        });
    }
    let longest = Duration::MAX.into();
    check_task(&Task {
        timeout: longest,
        retry: RetryPolicy {
            max_retries: u32::MAX,
            initial_backoff: longest,
            max_backoff: longest,
        },
        revision: Seq(u64::MAX),
        ..examples::task()
    });
    let failure = Failure {
        exit_code: Some(i32::MIN),
        signal: Some(i32::MAX),
        ..examples::failure()
    };
    check_task(&Task {
        attempts: vec![examples::attempt(u32::MAX, Outcome::Failed(failure))].into(),
        ..examples::task()
    });
}

#[test]
fn unmet_dependencies_are_counted_from_the_flags() {
    let dependency = |name, met| Dependency {
        task: TaskId::stored(name),
        condition: Condition::Finished,
        met,
        cut: None,
    };
    let dependencies = vec![
        dependency("a", false),
        dependency("b", true),
        dependency("c", false),
    ];
    let wrong = Task {
        dependencies: dependencies.into(),
        unmet: 99,
        ..examples::task()
    };
    assert_eq!(decode_task(&encode_task(&wrong)).unwrap().unmet, 2);
}

#[test]
fn labels_are_written_in_their_order() {
    for bytes in [encode_job(&examples::job()), encode_agent(&examples::agent())] {
        let at = |key: &[u8]| bytes.windows(key.len()).position(|window| window == key).unwrap();
        assert!(at(b"arch") < at(b"owner") && at(b"owner") < at(b"zone"));
    }
}

#[test]
fn the_bytes_of_every_kind_stay_as_they_are() {
    let update = env::var_os("UPDATE_GOLDEN").is_some();
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/stored/golden");
    let mut names = BTreeSet::new();
    for (name, bytes) in golden() {
        let path = dir.join(format!("{name}.hex"));
        names.insert(name.clone());
        if update {
            fs::write(&path, hex(&bytes)).unwrap();
        }
        let kept =
            fs::read_to_string(&path).unwrap_or_else(|error| panic!("no golden file for {name}: {error}"));
        assert_eq!(
            kept,
            hex(&bytes),
            "the stored form of {name} has changed: what released coordinators wrote must stay readable"
        );
    }
    for kind in Fact::KINDS {
        assert!(names.contains(kind), "no example of {kind}");
    }
    for entry in fs::read_dir(dir).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        let name = file
            .strip_suffix(".hex")
            .unwrap_or_else(|| panic!("{file} is no golden file"));
        assert!(
            names.contains(name),
            "{name} is no longer written, and still has to be read"
        );
    }
}

#[test]
fn a_truncated_event_is_refused_wherever_it_ends() {
    for example in examples::events() {
        let whole = encode(&example);
        for length in 0..whole.len() {
            let cut = decode(example.seq, whole.slice(..length));
            assert!(
                cut.is_err(),
                "{} was read from {length} bytes",
                example.fact.kind()
            );
        }
    }
}

#[test]
fn a_truncated_record_is_never_taken_for_the_whole() {
    for record in examples::records() {
        for length in 0..record.bytes.len() {
            let cut = &record.bytes[..length];
            assert!(!(record.is_read_from)(cut), "{}, {length} bytes", record.name);
        }
    }
}

#[test]
fn no_bytes_make_a_reader_panic() {
    let records = examples::records();
    for (_, whole) in golden() {
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut flipped = whole.to_vec();
                flipped[at] ^= 1 << bit;
                read_as_everything(&records, flipped.into());
            }
        }
    }
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    for length in (0..200).cycle().take(20_000) {
        let bytes = std::iter::repeat_with(|| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random.to_be_bytes()[0]
        });
        read_as_everything(&records, bytes.take(length).collect());
    }
}

#[test]
fn a_newer_coordinators_fact_is_refused_by_its_number() {
    // time_ms = 7, then field 77 with two bytes.
    let error = decode(Seq(5), Bytes::from_static(b"\x08\x07\xea\x04\x02hi")).unwrap_err();
    assert_eq!(
        chain(&error),
        "cannot read event 5: fact 77 is unknown: it was written by a newer coordinator"
    );
    assert!(error.is_from_newer());
}

#[test]
fn a_newer_coordinators_values_are_refused_by_name() {
    let error = reread("lease_expired", |fact| match fact {
        store::event::Fact::LeaseExpired(expired) => expired.cause = 9,
        _ => panic!("another fact"),
    });
    assert_eq!(
        chain(&error),
        "cannot read event 900: the expiry's cause has the unknown value 9: it was written by a newer coordinator"
    );
    assert!(error.is_from_newer());

    let error = reread("attempt_failed", |fact| match fact {
        store::event::Fact::AttemptFailed(failed) => failed.failure.as_mut().unwrap().blame = -1,
        _ => panic!("another fact"),
    });
    assert!(
        chain(&error).contains("the failure's blame has the unknown value -1"),
        "{}",
        chain(&error)
    );

    let mut record = store::TaskRecord::decode(encode_task(&examples::task()).as_slice()).unwrap();
    record.phase = None;
    let error = decode_task(&record.encode_to_vec()).unwrap_err();
    assert!(error.is_from_newer(), "{}", chain(&error));
}

#[test]
fn a_field_that_a_newer_coordinator_added_is_passed_over() {
    let mut bytes = encode_agent(&examples::agent());
    bytes.extend_from_slice(b"\xea\x04\x02hi");
    assert_eq!(decode_agent(&bytes).unwrap(), examples::agent());
}

#[test]
fn what_is_missing_is_named() {
    for (bytes, expected) in [
        (&b""[..], "the event's fact is missing"),
        (b"\x08\x07", "the event's fact is missing"),
    ] {
        let error = decode(Seq(1), Bytes::from_static(bytes)).unwrap_err();
        assert!(chain(&error).ends_with(expected), "{}", chain(&error));
        assert!(!error.is_from_newer());
    }
    let error = reread("task_due", |fact| match fact {
        store::event::Fact::TaskDue(due) => due.subject = None,
        _ => panic!("another fact"),
    });
    assert_eq!(
        chain(&error),
        "cannot read event 900: the event's subject is missing"
    );
    let error = reread("lease_granted", |fact| match fact {
        store::event::Fact::LeaseGranted(granted) => granted.lease.as_mut().unwrap().token.truncate(3),
        _ => panic!("another fact"),
    });
    assert_eq!(
        chain(&error),
        "cannot read event 900: the lease's token has a value that cannot be: 3 bytes instead of 16"
    );
    let error = reread("task_cancelled", |fact| match fact {
        store::event::Fact::TaskCancelled(cancelled) => {
            cancelled.attempt.as_mut().unwrap().end = store::AttemptEndKind::Lost.into();
        }
        _ => panic!("another fact"),
    });
    assert_eq!(
        chain(&error),
        "cannot read event 900: the attempt's loss is missing"
    );
    assert_eq!(
        chain(&decode_task(b"").unwrap_err()),
        "cannot read the record of a task: the task's id is missing"
    );
}

fn check_fact(fact: Fact) {
    let before = examples::event(fact);
    assert_eq!(decode(before.seq, encode(&before)).unwrap(), before);
}

fn check_task(task: &Task) {
    assert_eq!(decode_task(&encode_task(task)).unwrap(), *task);
}

/// A task without optional fields.
fn bare_task() -> Task {
    Task {
        job: None,
        spec: Arc::default(),
        dependencies: LazyBox::default(),
        unmet: 0,
        times: LazyBox::from(Times {
            deadline: None,
            ..*examples::task().times
        }),
        attempts: LazyBox::default(),
        tries: LazyBox::default(),
        phase: Phase::Pending { due: None },
        ..examples::task()
    }
}

fn example(kind: &str) -> swarm_engine::event::Event {
    examples::events()
        .into_iter()
        .find(|event| event.fact.kind() == kind)
        .unwrap()
}

/// The names and bytes of all golden files.
fn golden() -> Vec<(String, Bytes)> {
    let events = examples::events()
        .into_iter()
        .map(|event| (event.fact.kind().to_owned(), encode(&event)));
    let records = examples::records()
        .into_iter()
        .map(|record| (record.name.to_owned(), record.bytes.into()));
    events.chain(records).collect()
}

/// Lines of 32 bytes, so that a change shows where it is.
fn hex(bytes: &[u8]) -> String {
    let line = |line: &[u8]| line.iter().map(|byte| format!("{byte:02x}")).collect::<String>() + "\n";
    bytes.chunks(32).map(line).collect()
}

fn read_as_everything(records: &[examples::Record], bytes: Bytes) {
    for record in records {
        (record.is_read_from)(&bytes);
    }
    // An event that could be read can be written again.
    if let Ok(read) = decode(Seq(1), bytes) {
        encode(&read);
    }
}

/// Changes the stored form of an example and reads it again.
fn reread(kind: &str, change: impl FnOnce(&mut store::event::Fact)) -> StoredError {
    let before = example(kind);
    let mut stored = store::Event::decode(encode(&before)).unwrap();
    change(stored.fact.as_mut().unwrap());
    decode(before.seq, stored.encode_to_vec().into()).unwrap_err()
}

fn chain(error: &StoredError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
