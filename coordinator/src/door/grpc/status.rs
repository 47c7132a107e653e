//! Refusals on the wire: the one table from rejections to reasons.

use swarm_engine::rejection::{FaultKind, Faults, Rejection};
use swarm_proto::{
    reason::{Details, FieldFault, Reason, status},
    v1,
};
use tonic::Status;

use crate::{limits::MAX_REFUSAL_BYTES, recall::Refused, wire::text::plain};

/// The reason that a rejection travels with.
pub(crate) fn reason_of(rejection: &Rejection) -> Reason {
    match rejection {
        Rejection::Invalid(faults) => match faults.kind() {
            FaultKind::Field => Reason::FieldInvalid,
            FaultKind::SpecTooLarge => Reason::SpecTooLarge,
            FaultKind::DependencyCycle => Reason::DependencyCycle,
            FaultKind::DependencyUnknown => Reason::DependencyUnknown,
            FaultKind::TaskExists => Reason::TaskExists,
            FaultKind::JobExists => Reason::JobExists,
        },
        Rejection::TaskNotFound(_) => Reason::TaskNotFound,
        Rejection::JobNotFound(_) => Reason::JobNotFound,
        Rejection::AgentNotFound(_) => Reason::AgentNotFound,
        Rejection::LeaseLost { .. } => Reason::LeaseLost,
        Rejection::AgentReplaced(_) => Reason::AgentReplaced,
        Rejection::RevisionMismatch { .. } => Reason::RevisionMismatch,
        Rejection::TaskFinished { .. } => Reason::TaskFinished,
        Rejection::TaskNotFinished { .. } => Reason::TaskNotFinished,
        Rejection::DependencyFailed { .. } | Rejection::DependencyRemoved { .. } => Reason::DependencyFailed,
    }
}

/// The refusal of a whole call.
pub(crate) fn status_of(rejection: &Rejection) -> Status {
    let mut details = Details::default();
    if let Rejection::Invalid(faults) = rejection {
        details.faults = faults
            .named()
            .iter()
            .map(|fault| FieldFault {
                field: fault.field.clone(),
                description: fault.description.clone(),
            })
            .collect();
    }
    status(reason_of(rejection), message(rejection), details)
}

/// The refusal of a whole call that names tasks.
pub(crate) fn status_of_refused(refused: &Refused) -> Status {
    match refused {
        Refused::Rejected(rejection) => status_of(rejection),
        Refused::TooSoon => super::busy(
            "the coordinator has just started and is still reading which tasks there are; try again in a second",
        ),
        Refused::Unreadable(error) => {
            tracing::error!(%error, "cannot look up tasks in the store");
            Status::internal(format!("cannot look up tasks in the store: {error}"))
        }
    }
}

/// The refusal of one item of a call.
pub(crate) fn refusal_of(rejection: &Rejection) -> v1::Refusal {
    v1::Refusal {
        reason: reason_of(rejection).as_str().to_owned(),
        message: message(rejection),
    }
}

fn message(rejection: &Rejection) -> String {
    match rejection {
        Rejection::Invalid(faults) => faults_message(faults),
        other => plain(&other.to_string(), MAX_REFUSAL_BYTES),
    }
}

/// How many faults there are, then the first ones in whole sentences.
fn faults_message(faults: &Faults) -> String {
    let total = faults.named().len() + faults.more();
    let mut message = if total == 1 {
        "1 fault".to_owned()
    } else {
        format!("{total} faults")
    };
    let mut shown = 0;
    for fault in faults.named() {
        let separator = if shown == 0 { ": " } else { "; " };
        let next = plain(
            &format!("{separator}{}: {}", fault.field, fault.description),
            MAX_REFUSAL_BYTES,
        );
        if shown > 0 && message.len() + next.len() > MAX_REFUSAL_BYTES {
            break;
        }
        message.push_str(&next);
        shown += 1;
    }
    if shown > 0 && shown < total {
        message.push_str(&format!("; and {} more", total - shown));
    }
    message
}

#[cfg(test)]
mod tests {
    use swarm_engine::{
        id::{AgentId, AttemptNumber, JobId, Seq, TaskId},
        noun::task::TaskState,
    };
    use swarm_proto::reason::Failure;
    use tonic::Code;

    use super::*;

    fn faults(kinds: &[FaultKind]) -> Rejection {
        let mut faults = Faults::default();
        for kind in kinds {
            faults.add(*kind, "tasks[0].task_id", "is wrong");
        }
        Rejection::Invalid(faults)
    }

    #[test]
    fn each_rejection_has_its_code_and_reason() {
        use FaultKind::{DependencyCycle, DependencyUnknown, Field, JobExists, SpecTooLarge, TaskExists};
        let (task, state) = (TaskId::stored("t"), TaskState::Running);
        let (attempt, newest) = (AttemptNumber(1), AttemptNumber(2));
        for (rejection, code, reason) in [
            (faults(&[Field]), Code::InvalidArgument, "FIELD_INVALID"),
            (
                faults(&[SpecTooLarge, Field]),
                Code::InvalidArgument,
                "SPEC_TOO_LARGE",
            ),
            (
                faults(&[DependencyCycle]),
                Code::InvalidArgument,
                "DEPENDENCY_CYCLE",
            ),
            (
                faults(&[DependencyUnknown]),
                Code::InvalidArgument,
                "DEPENDENCY_UNKNOWN",
            ),
            (faults(&[TaskExists]), Code::AlreadyExists, "TASK_EXISTS"),
            (faults(&[JobExists]), Code::AlreadyExists, "JOB_EXISTS"),
            (
                faults(&[TaskExists, Field]),
                Code::InvalidArgument,
                "FIELD_INVALID",
            ),
            (
                Rejection::TaskNotFound(task.clone()),
                Code::NotFound,
                "TASK_NOT_FOUND",
            ),
            (
                Rejection::JobNotFound(JobId::stored("j")),
                Code::NotFound,
                "JOB_NOT_FOUND",
            ),
            (
                Rejection::AgentNotFound(AgentId::stored("a")),
                Code::NotFound,
                "AGENT_NOT_FOUND",
            ),
            (
                Rejection::LeaseLost {
                    task: task.clone(),
                    attempt,
                    state,
                    newest,
                },
                Code::Aborted,
                "LEASE_LOST",
            ),
            (
                Rejection::AgentReplaced(AgentId::stored("a")),
                Code::Aborted,
                "AGENT_REPLACED",
            ),
            (
                Rejection::RevisionMismatch {
                    task: task.clone(),
                    revision: Seq(7),
                },
                Code::Aborted,
                "REVISION_MISMATCH",
            ),
            (
                Rejection::TaskFinished {
                    task: task.clone(),
                    state,
                },
                Code::FailedPrecondition,
                "TASK_FINISHED",
            ),
            (
                Rejection::TaskNotFinished {
                    task: task.clone(),
                    state,
                },
                Code::FailedPrecondition,
                "TASK_NOT_FINISHED",
            ),
            (
                Rejection::DependencyFailed {
                    task: task.clone(),
                    dependency: task.clone(),
                },
                Code::FailedPrecondition,
                "DEPENDENCY_FAILED",
            ),
        ] {
            let status = status_of(&rejection);
            let Failure::Refused { word, .. } = Failure::of(&status) else {
                panic!("{reason} is no refusal")
            };
            assert_eq!((status.code(), word.as_str()), (code, reason));
            let refusal = refusal_of(&rejection);
            assert_eq!(
                (refusal.reason.as_str(), refusal.message.as_str()),
                (reason, status.message())
            );
        }
    }

    #[test]
    fn the_message_begins_with_how_many_faults_there_are() {
        let one = faults(&[FaultKind::Field]);
        assert_eq!(status_of(&one).message(), "1 fault: tasks[0].task_id: is wrong");
        let two = faults(&[FaultKind::Field; 2]);
        assert!(
            status_of(&two)
                .message()
                .starts_with("2 faults: tasks[0].task_id: is wrong; tasks[0]")
        );
        let many = status_of(&faults(&[FaultKind::Field; 1000]));
        assert!(many.message().starts_with("1000 faults: "));
        assert!(many.message().ends_with("; and 968 more"), "{}", many.message());
        let Failure::Refused { faults, .. } = Failure::of(&many) else {
            panic!("no refusal")
        };
        assert_eq!(faults.len(), 32);
    }

    #[test]
    fn what_a_caller_sent_does_not_make_a_trailer_too_large_or_break_a_terminal() {
        let mut long = Faults::default();
        for index in 0..100 {
            long.add(FaultKind::Field, format!("tasks[{index}]"), "ä\u{1b}".repeat(100));
        }
        let endless = TaskId::stored(&"ä\u{1b}".repeat(100_000));
        for rejection in [Rejection::Invalid(long), Rejection::TaskNotFound(endless)] {
            let status = status_of(&rejection);
            assert!(
                status.message().len() < MAX_REFUSAL_BYTES + 100,
                "{} bytes",
                status.message().len()
            );
            assert!(!status.message().contains(char::is_control));
            // Details travel in base64, the message percent-encoded.
            assert!(status.details().len() * 4 / 3 + status.message().len() * 3 < 16 * 1024);
        }
    }
}
