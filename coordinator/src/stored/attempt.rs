//! Leases and attempts: the parts that records and events have in common.

use std::time::Duration;

use bytes::Bytes;
use swarm_engine::{
    event::CancelledAttempt,
    id::{AgentId, AttemptNumber, LeaseToken, ReportHash},
    noun::{
        attempt::Attempt,
        cut::Cut,
        lease::Lease,
        outcome::{Blame, Failure, Loss, Outcome},
    },
    time::{Timestamp, millis},
};
use swarm_proto::store;

use super::{
    error::Fault,
    field::{filled, known, required, sixteen_bytes},
    output::{read_output, write_output},
};

pub(super) fn write_lease(lease: &Lease) -> store::Lease {
    store::Lease {
        attempt: lease.attempt.0,
        agent_id: lease.agent.to_string(),
        token: write_token(lease.token),
        request_id: lease.request_id.to_string(),
        granted_ms: lease.granted.0,
        ttl_ms: millis(lease.ttl),
        ends_by_ms: lease.ends_by.0,
        cancel_asked: lease.cancel_asked,
    }
}

pub(super) fn read_lease(stored: store::Lease) -> Result<Lease, Fault> {
    Ok(Lease {
        attempt: AttemptNumber(stored.attempt),
        agent: AgentId::stored(filled("the lease's agent", &stored.agent_id)?),
        token: LeaseToken(sixteen_bytes("the lease's token", &stored.token)?),
        request_id: stored.request_id.into(),
        granted: Timestamp(stored.granted_ms),
        ttl: Duration::from_millis(stored.ttl_ms),
        ends_by: Timestamp(stored.ends_by_ms),
        cancel_asked: stored.cancel_asked,
    })
}

pub(super) fn write_attempt(attempt: &Attempt) -> store::AttemptRecord {
    let StoredOutcome {
        end,
        failure,
        loss,
        release_reason,
        refused,
    } = write_outcome(&attempt.outcome);
    store::AttemptRecord {
        attempt: attempt.number.0,
        agent_id: attempt.agent.to_string(),
        token: write_token(attempt.token),
        round: attempt.round,
        granted_ms: attempt.granted.0,
        ended_ms: attempt.ended.0,
        end: end.into(),
        failure,
        loss: loss.into(),
        release_reason,
        refused,
        report: attempt.report.map_or_else(Bytes::new, write_report),
        stdout_bytes: attempt.stdout_bytes,
        stderr_bytes: attempt.stderr_bytes,
        ttl_ms: millis(attempt.ttl),
        ends_by_ms: attempt.ends_by.0,
        request_id: attempt.request_id.to_string(),
        stdout_kept: (attempt.stdout_kept != kept_of(attempt.stdout_bytes)).then_some(attempt.stdout_kept),
    }
}

pub(super) fn read_attempt(stored: store::AttemptRecord) -> Result<Attempt, Fault> {
    Ok(Attempt {
        number: AttemptNumber(stored.attempt),
        agent: AgentId::stored(filled("the attempt's agent", &stored.agent_id)?),
        token: LeaseToken(sixteen_bytes("the attempt's token", &stored.token)?),
        request_id: stored.request_id.into(),
        round: stored.round,
        granted: Timestamp(stored.granted_ms),
        ttl: Duration::from_millis(stored.ttl_ms),
        ends_by: Timestamp(stored.ends_by_ms),
        ended: Timestamp(stored.ended_ms),
        outcome: read_outcome(StoredOutcome {
            end: known("the attempt's end", stored.end)?,
            failure: stored.failure,
            loss: known("the attempt's loss", stored.loss)?,
            release_reason: stored.release_reason,
            refused: stored.refused,
        })?,
        report: read_optional_report(&stored.report)?,
        stdout_bytes: stored.stdout_bytes,
        stdout_kept: stored.stdout_kept.unwrap_or(kept_of(stored.stdout_bytes)),
        stderr_bytes: stored.stderr_bytes,
    })
}

/// Bytes that were kept of an output when the record does not say how many, whatever a later release keeps.
const KEPT_WHEN_ABSENT: u64 = 64 * 1024;

/// How much is kept of an output of this length, unless the record says something else.
fn kept_of(whole: u64) -> u64 {
    whole.min(KEPT_WHEN_ABSENT)
}

pub(super) fn write_cut(cut: Cut) -> store::CutRecord {
    store::CutRecord {
        whole: cut.whole,
        kept: cut.kept,
    }
}

pub(super) fn read_cut(stored: store::CutRecord) -> Cut {
    Cut {
        whole: stored.whole,
        kept: stored.kept,
    }
}

pub(super) fn write_cancelled_attempt(attempt: &CancelledAttempt) -> store::CancelledAttempt {
    let StoredOutcome {
        end,
        failure,
        loss,
        release_reason,
        refused,
    } = write_outcome(&attempt.outcome);
    assert_eq!(
        loss,
        store::LossKind::Unspecified,
        "a lost attempt has ended before its task is cancelled"
    );
    store::CancelledAttempt {
        attempt: attempt.number.0,
        agent_id: attempt.agent.to_string(),
        end: end.into(),
        failure,
        release_reason,
        refused,
        report: attempt.report.map_or_else(Bytes::new, write_report),
        output: Some(write_output(&attempt.output)),
    }
}

pub(super) fn read_cancelled_attempt(stored: store::CancelledAttempt) -> Result<CancelledAttempt, Fault> {
    Ok(CancelledAttempt {
        number: AttemptNumber(stored.attempt),
        agent: AgentId::stored(filled("the attempt's agent", &stored.agent_id)?),
        outcome: read_outcome(StoredOutcome {
            end: known("the attempt's end", stored.end)?,
            failure: stored.failure,
            loss: store::LossKind::Unspecified,
            release_reason: stored.release_reason,
            refused: stored.refused,
        })?,
        report: read_optional_report(&stored.report)?,
        output: read_output(required("the attempt's output", stored.output)?).into(),
    })
}

/// An outcome as a part of an attempt's fields.
struct StoredOutcome {
    end: store::AttemptEndKind,
    failure: Option<store::FailureRecord>,
    loss: store::LossKind,
    release_reason: String,
    refused: bool,
}

fn write_outcome(outcome: &Outcome) -> StoredOutcome {
    let plain = |end| StoredOutcome {
        end,
        failure: None,
        loss: store::LossKind::Unspecified,
        release_reason: String::new(),
        refused: false,
    };
    match outcome {
        Outcome::Succeeded => plain(store::AttemptEndKind::Succeeded),
        Outcome::Failed(failure) => StoredOutcome {
            failure: Some(write_failure(failure)),
            ..plain(store::AttemptEndKind::Failed)
        },
        Outcome::Cancelled => plain(store::AttemptEndKind::Cancelled),
        Outcome::Lost(loss) => StoredOutcome {
            loss: write_loss(*loss),
            ..plain(store::AttemptEndKind::Lost)
        },
        Outcome::Released { reason, refused } => StoredOutcome {
            release_reason: reason.to_string(),
            refused: *refused,
            ..plain(store::AttemptEndKind::Released)
        },
    }
}

fn read_outcome(stored: StoredOutcome) -> Result<Outcome, Fault> {
    Ok(match stored.end {
        store::AttemptEndKind::Unspecified => {
            return Err(Fault::Missing {
                field: "the attempt's end",
            });
        }
        store::AttemptEndKind::Succeeded => Outcome::Succeeded,
        store::AttemptEndKind::Failed => {
            Outcome::Failed(read_failure(required("the attempt's failure", stored.failure)?)?)
        }
        store::AttemptEndKind::Cancelled => Outcome::Cancelled,
        store::AttemptEndKind::Lost => Outcome::Lost(read_loss("the attempt's loss", stored.loss)?),
        store::AttemptEndKind::Released => Outcome::Released {
            reason: stored.release_reason.into(),
            refused: stored.refused,
        },
    })
}

pub(super) fn write_failure(failure: &Failure) -> store::FailureRecord {
    let blame = match failure.blame {
        Blame::Task => store::Blame::Task,
        Blame::Machine => store::Blame::Machine,
        Blame::Provider => store::Blame::Provider,
    };
    store::FailureRecord {
        reason: failure.reason.to_string(),
        blame: blame.into(),
        message: failure.message.to_string(),
        exit_code: failure.exit_code,
        signal: failure.signal,
    }
}

pub(super) fn read_failure(stored: store::FailureRecord) -> Result<Failure, Fault> {
    const BLAME: &str = "the failure's blame";
    let blame = match known(BLAME, stored.blame)? {
        store::Blame::Unspecified => return Err(Fault::Missing { field: BLAME }),
        store::Blame::Task => Blame::Task,
        store::Blame::Machine => Blame::Machine,
        store::Blame::Provider => Blame::Provider,
    };
    Ok(Failure {
        reason: stored.reason.into(),
        blame,
        message: stored.message.into(),
        exit_code: stored.exit_code,
        signal: stored.signal,
    })
}

pub(super) fn write_loss(loss: Loss) -> store::LossKind {
    match loss {
        Loss::Silent => store::LossKind::Silent,
        Loss::Undelivered => store::LossKind::Undelivered,
        Loss::Replaced => store::LossKind::Replaced,
        Loss::Deregistered => store::LossKind::Deregistered,
        Loss::Overdue => store::LossKind::Overdue,
        Loss::GivenUp => store::LossKind::GivenUp,
        Loss::Died => store::LossKind::Died,
    }
}

pub(super) fn read_loss(field: &'static str, stored: store::LossKind) -> Result<Loss, Fault> {
    Ok(match stored {
        store::LossKind::Unspecified => return Err(Fault::Missing { field }),
        store::LossKind::Silent => Loss::Silent,
        store::LossKind::Undelivered => Loss::Undelivered,
        store::LossKind::Replaced => Loss::Replaced,
        store::LossKind::Deregistered => Loss::Deregistered,
        store::LossKind::Overdue => Loss::Overdue,
        store::LossKind::GivenUp => Loss::GivenUp,
        store::LossKind::Died => Loss::Died,
    })
}

fn write_token(token: LeaseToken) -> Bytes {
    Bytes::copy_from_slice(&token.0)
}

pub(super) fn write_report(report: ReportHash) -> Bytes {
    Bytes::copy_from_slice(&report.0)
}

pub(super) fn read_report(stored: &Bytes) -> Result<ReportHash, Fault> {
    Ok(ReportHash(sixteen_bytes("the report's hash", stored)?))
}

fn read_optional_report(stored: &Bytes) -> Result<Option<ReportHash>, Fault> {
    if stored.is_empty() {
        Ok(None)
    } else {
        read_report(stored).map(Some)
    }
}
