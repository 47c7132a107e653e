//! Reports of attempts as they come in, each by itself: an outcome that reached us is never refused for its size.

use std::sync::Arc;

use prost::Message as _;
use swarm_engine::{
    command::complete::{Report, Reported},
    id::ReportHash,
    noun::outcome::{Blame, Failure, Output},
};
use swarm_proto::{
    limits::{MAX_FAILURE_MESSAGE_BYTES, MAX_FAILURE_REASON_BYTES, OUTPUT_TAIL_BYTES},
    output::first_line,
    reason::Reason,
    v1,
    v1::attempt_report::Outcome,
};
use xxhash_rust::xxh3::xxh3_128;

use super::{lease::proof, text::cut, time::read_duration};

/// Reads reports, one answer for each in their order. What is too long is cut.
pub(crate) fn reports(results: Vec<v1::AttemptReport>) -> Vec<Result<Report, v1::Refusal>> {
    results
        .into_iter()
        .enumerate()
        .map(|(index, result)| {
            read(result).map_err(|fault| v1::Refusal {
                reason: Reason::FieldInvalid.as_str().to_owned(),
                message: format!("results[{index}]{fault}"),
            })
        })
        .collect()
}

fn read(report: v1::AttemptReport) -> Result<Report, &'static str> {
    let lease = report
        .lease
        .as_ref()
        .ok_or(".lease is missing: it proves that the attempt is yours")?;
    let proof = proof(lease);
    let hash = hash(&report);
    let result = match report
        .outcome
        .ok_or(" has no outcome, or one that this coordinator does not know")?
    {
        Outcome::Success(v1::Success {}) => Reported::Success,
        Outcome::Failure(failure) => {
            let retry_after = failure
                .retry_after
                .as_ref()
                .and_then(|after| read_duration(after).ok());
            Reported::Failure {
                failure: read_failure(&failure),
                retry_after,
            }
        }
        Outcome::Cancelled(v1::Cancelled {}) => Reported::Cancelled,
        Outcome::Released(released) => Reported::Released {
            reason: cut(&released.reason, MAX_FAILURE_MESSAGE_BYTES).into(),
            refused: released.refused,
        },
    };
    Ok(Report {
        proof,
        result,
        output: Arc::new(read_output(report.output.unwrap_or_default())),
        hash,
    })
}

/// The hash of what was reported, as sent; under which lease does not belong to it.
fn hash(report: &v1::AttemptReport) -> ReportHash {
    let reported = v1::AttemptReport {
        lease: None,
        outcome: report.outcome.clone(),
        output: report.output.clone(),
    };
    ReportHash(xxh3_128(&reported.encode_to_vec()).to_be_bytes())
}

fn read_failure(failure: &v1::Failure) -> Failure {
    Failure {
        reason: cut(&failure.reason, MAX_FAILURE_REASON_BYTES).into(),
        blame: match v1::Blame::try_from(failure.blame) {
            Ok(v1::Blame::Machine) => Blame::Machine,
            Ok(v1::Blame::Provider) => Blame::Provider,
            // A newer agent's finer word must not lose the report.
            Ok(v1::Blame::Task | v1::Blame::Unspecified) | Err(_) => Blame::Task,
        },
        message: cut(&failure.message, MAX_FAILURE_MESSAGE_BYTES).into(),
        exit_code: failure.exit_code,
        signal: failure.signal,
    }
}

fn read_output(output: v1::Output) -> Output {
    let whole = |claimed: u64, stream: &[u8]| claimed.max(stream.len() as u64);
    Output {
        stdout_bytes: whole(output.stdout_bytes, &output.stdout),
        stderr_bytes: whole(output.stderr_bytes, &output.stderr),
        stdout: tail(output.stdout),
        stderr: tail(output.stderr),
        removed_files: output.removed_files,
        removed_bytes: output.removed_bytes,
    }
}

/// What is kept of a stream, of which its agent should have sent no more.
fn tail(mut stream: Vec<u8>) -> Vec<u8> {
    let over = stream.len().saturating_sub(OUTPUT_TAIL_BYTES);
    if over > 0 {
        let line = first_line(stream[over - 1], &stream[over..]);
        stream.drain(..over + line);
    }
    stream
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn report(outcome: Option<Outcome>) -> v1::AttemptReport {
        let lease = v1::LeaseRef {
            task_id: "t".into(),
            attempt: 2,
            lease_token: vec![7; 16],
            run_time: None,
        };
        v1::AttemptReport {
            lease: Some(lease),
            outcome,
            output: None,
        }
    }

    fn read_one(report: v1::AttemptReport) -> Report {
        reports(vec![report]).remove(0).unwrap()
    }

    #[test]
    fn each_outcome_arrives() {
        let retry_after = Some(prost_types::Duration { seconds: 9, nanos: 0 });
        let failure = v1::Failure {
            reason: "exit".into(),
            blame: v1::Blame::Provider as i32,
            message: "m".into(),
            exit_code: Some(3),
            signal: None,
            retry_after,
        };
        let cases = [
            (Outcome::Success(v1::Success {}), "Success"),
            (Outcome::Cancelled(v1::Cancelled {}), "Cancelled"),
            (
                Outcome::Released(v1::Released {
                    reason: "full".into(),
                    refused: false,
                }),
                "Released { reason: \"full\", refused: false }",
            ),
        ];
        for (outcome, expected) in cases {
            assert_eq!(format!("{:?}", read_one(report(Some(outcome))).result), expected);
        }
        let read = read_one(report(Some(Outcome::Failure(failure))));
        let Reported::Failure { failure, retry_after } = read.result else {
            panic!("not read as a failure")
        };
        assert_eq!((failure.blame, failure.exit_code), (Blame::Provider, Some(3)));
        assert_eq!(retry_after, Some(Duration::from_secs(9)));
    }

    #[test]
    fn a_bad_report_is_refused_by_itself() {
        let results = reports(vec![
            report(Some(Outcome::Success(v1::Success {}))),
            report(None),
            v1::AttemptReport {
                lease: None,
                ..report(Some(Outcome::Success(v1::Success {})))
            },
        ]);
        assert!(results[0].is_ok());
        let refusal = |index: usize| results[index].as_ref().err().unwrap();
        assert_eq!(refusal(1).reason, "FIELD_INVALID");
        assert!(refusal(1).message.starts_with("results[1] has no outcome"));
        assert!(refusal(2).message.starts_with("results[2].lease is missing"));
    }

    #[test]
    fn a_newer_blame_or_a_strange_pause_loses_no_report() {
        let failure = v1::Failure {
            blame: 99,
            retry_after: Some(prost_types::Duration {
                seconds: -1,
                nanos: 0,
            }),
            ..v1::Failure::default()
        };
        let Reported::Failure { failure, retry_after } =
            read_one(report(Some(Outcome::Failure(failure)))).result
        else {
            panic!("not read as a failure")
        };
        assert_eq!((failure.blame, retry_after), (Blame::Task, None));
    }

    #[test]
    fn what_is_too_long_is_cut() {
        let failure = v1::Failure {
            reason: "r".repeat(100),
            message: format!("x{}", "ä".repeat(2000)),
            ..v1::Failure::default()
        };
        let output = v1::Output {
            stdout: [vec![b'a'; 10], vec![b'z'; OUTPUT_TAIL_BYTES]].concat(),
            stderr: b"e".to_vec(),
            stdout_bytes: 1,
            stderr_bytes: 7,
            removed_files: 2,
            removed_bytes: 12,
        };
        let sent = v1::AttemptReport {
            output: Some(output),
            ..report(Some(Outcome::Failure(failure)))
        };
        let read = read_one(sent);
        assert_eq!(read.output.stdout, vec![b'z'; OUTPUT_TAIL_BYTES]);
        assert_eq!(
            (read.output.stdout_bytes, read.output.stderr_bytes),
            (OUTPUT_TAIL_BYTES as u64 + 10, 7)
        );
        let Reported::Failure { failure, .. } = read.result else {
            panic!("not read as a failure")
        };
        assert_eq!((failure.reason.len(), failure.message.len()), (64, 2047));
    }

    #[test]
    fn a_repeat_has_the_same_hash_and_another_outcome_has_not() {
        let success = || report(Some(Outcome::Success(v1::Success {})));
        let hash = read_one(success()).hash;
        let other_lease = v1::AttemptReport {
            lease: Some(v1::LeaseRef::default()),
            ..success()
        };
        assert_eq!(read_one(other_lease).hash, hash);
        let output = v1::Output {
            stdout: b"x".to_vec(),
            ..v1::Output::default()
        };
        for other in [
            report(Some(Outcome::Cancelled(v1::Cancelled {}))),
            report(Some(Outcome::Failure(v1::Failure::default()))),
            v1::AttemptReport {
                output: Some(output),
                ..success()
            },
        ] {
            assert_ne!(read_one(other).hash, hash);
        }
    }
}
