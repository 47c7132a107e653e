//! Why a request was refused, and the one table from rejections of the engine to reasons of the protocol.

use swarm_engine::rejection::{FaultKind, Faults, Rejection};
use swarm_proto::{
    reason::Reason,
    refusal::{Details, FieldFault},
    v1,
};

use crate::{
    core::recall::Refused,
    machine::clock::Seldom,
    program::limits::{BUSY_RETRY_AFTER, MAX_REFUSAL_BYTES},
    records::task::find::FindError,
    wire::text::plain,
};

/// The refusal of a whole request.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) cause: Cause,
    /// For people.
    pub(crate) message: String,
    pub(crate) details: Details,
}

/// Whose fault a refusal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The coordinator decided, and this is its stable word for why.
    Reason(Reason),
    /// The coordinator cannot do what it should.
    Internal,
    /// The coordinator's data cannot be read.
    DataLoss,
}

impl Refusal {
    pub(crate) fn new(reason: Reason, message: impl Into<String>, details: Details) -> Refusal {
        Refusal {
            cause: Cause::Reason(reason),
            message: message.into(),
            details,
        }
    }

    /// The coordinator is about to end.
    pub(crate) fn stopping() -> Refusal {
        Refusal::new(
            Reason::ShuttingDown,
            "the coordinator is stopping",
            Details::default(),
        )
    }

    /// To be tried again a little later: there is too much to do.
    pub(crate) fn busy(why: &str) -> Refusal {
        Refusal::later(Reason::Busy, why)
    }

    /// To be tried again a little later.
    pub(crate) fn later(reason: Reason, why: &str) -> Refusal {
        let details = Details {
            retry_after: Some(BUSY_RETRY_AFTER),
            ..Details::default()
        };
        Refusal::new(reason, why, details)
    }

    /// One bad field.
    pub(crate) fn invalid(field: &str, description: impl Into<String>) -> Refusal {
        let mut faults = Faults::default();
        faults.add(FaultKind::Field, field, description);
        Rejection::Invalid(faults).into()
    }

    pub(crate) fn internal(message: impl Into<String>) -> Refusal {
        Refusal::without_reason(Cause::Internal, message)
    }

    pub(crate) fn data_loss(message: impl Into<String>) -> Refusal {
        Refusal::without_reason(Cause::DataLoss, message)
    }

    fn without_reason(cause: Cause, message: impl Into<String>) -> Refusal {
        Refusal {
            cause,
            message: message.into(),
            details: Details::default(),
        }
    }
}

impl From<Rejection> for Refusal {
    fn from(rejection: Rejection) -> Refusal {
        let mut details = Details::default();
        if let Rejection::Invalid(faults) = &rejection {
            let named = faults.named().iter();
            details.faults = named
                .map(|fault| FieldFault {
                    field: fault.field.clone(),
                    description: fault.description.clone(),
                })
                .collect();
        }
        if let Rejection::AgentElsewhere { rest, .. } = &rejection {
            details.retry_after = Some(*rest);
        }
        Refusal::new(reason_of(&rejection), message(&rejection), details)
    }
}

/// The refusal of a request that names tasks.
impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Refusal {
        match refused {
            Refused::Rejected(rejection) => rejection.into(),
            Refused::TooSoon => Refusal::busy(
                "the coordinator has just started and is still reading which tasks there are; try again in a second",
            ),
            Refused::Unreadable(error) => {
                static TOLD: Seldom = Seldom::new();
                if TOLD.is_due() {
                    tracing::error!(%error, "cannot look up tasks in the store");
                }
                Refusal::internal(format!("cannot look up tasks in the store: {error}"))
            }
        }
    }
}

impl From<FindError> for Refusal {
    fn from(error: FindError) -> Refusal {
        Refused::from(error).into()
    }
}

/// The refusal of one item of a request.
pub(super) fn of_item(rejection: &Rejection) -> v1::Refusal {
    v1::Refusal {
        reason: reason_of(rejection).as_str().to_owned(),
        message: message(rejection),
    }
}

/// The reason that a rejection travels with.
fn reason_of(rejection: &Rejection) -> Reason {
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
        Rejection::AgentElsewhere { .. } => Reason::AgentElsewhere,
        Rejection::SessionUnproven(_) => Reason::SessionUnproven,
        Rejection::RevisionMismatch { .. } => Reason::RevisionMismatch,
        Rejection::Full(_) => Reason::QueueFull,
        Rejection::TaskFinished { .. } => Reason::TaskFinished,
        Rejection::TaskNotRunning { .. } => Reason::TaskNotRunning,
        Rejection::TaskNotFinished { .. } => Reason::TaskNotFinished,
        Rejection::TaskNeeded(_) => Reason::TaskNeeded,
        Rejection::DependencyFailed { .. } | Rejection::DependencyRemoved { .. } => Reason::DependencyFailed,
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
        rejection::Full,
    };

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
            (faults(&[Field]), "InvalidArgument", "FIELD_INVALID"),
            (
                faults(&[SpecTooLarge, Field]),
                "InvalidArgument",
                "SPEC_TOO_LARGE",
            ),
            (faults(&[DependencyCycle]), "InvalidArgument", "DEPENDENCY_CYCLE"),
            (
                faults(&[DependencyUnknown]),
                "InvalidArgument",
                "DEPENDENCY_UNKNOWN",
            ),
            (faults(&[TaskExists]), "AlreadyExists", "TASK_EXISTS"),
            (faults(&[JobExists]), "AlreadyExists", "JOB_EXISTS"),
            (faults(&[TaskExists, Field]), "InvalidArgument", "FIELD_INVALID"),
            (
                Rejection::TaskNotFound(task.clone()),
                "NotFound",
                "TASK_NOT_FOUND",
            ),
            (
                Rejection::JobNotFound(JobId::stored("j")),
                "NotFound",
                "JOB_NOT_FOUND",
            ),
            (
                Rejection::AgentNotFound(AgentId::stored("a")),
                "NotFound",
                "AGENT_NOT_FOUND",
            ),
            (
                Rejection::LeaseLost {
                    task: task.clone(),
                    attempt,
                    state,
                    newest,
                },
                "Aborted",
                "LEASE_LOST",
            ),
            (
                Rejection::AgentElsewhere {
                    agent: AgentId::stored("a"),
                    host: "here".into(),
                    refused: "there".into(),
                    rest: std::time::Duration::from_secs(7),
                },
                "Aborted",
                "AGENT_ELSEWHERE",
            ),
            (
                Rejection::SessionUnproven(AgentId::stored("a")),
                "Aborted",
                "SESSION_UNPROVEN",
            ),
            (
                Rejection::AgentReplaced(AgentId::stored("a")),
                "Aborted",
                "AGENT_REPLACED",
            ),
            (
                Rejection::Full(Full::AllClasses),
                "ResourceExhausted",
                "QUEUE_FULL",
            ),
            (
                Rejection::RevisionMismatch {
                    task: task.clone(),
                    revision: Seq(7),
                },
                "Aborted",
                "REVISION_MISMATCH",
            ),
            (
                Rejection::TaskFinished {
                    task: task.clone(),
                    state,
                },
                "FailedPrecondition",
                "TASK_FINISHED",
            ),
            (
                Rejection::TaskNotRunning {
                    task: task.clone(),
                    state: TaskState::Queued,
                    attempt: None,
                },
                "FailedPrecondition",
                "TASK_NOT_RUNNING",
            ),
            (
                Rejection::TaskNotFinished {
                    task: task.clone(),
                    state,
                },
                "FailedPrecondition",
                "TASK_NOT_FINISHED",
            ),
            (
                Rejection::TaskNeeded(task.clone()),
                "FailedPrecondition",
                "TASK_NEEDED",
            ),
            (
                Rejection::DependencyFailed {
                    task: task.clone(),
                    dependency: task.clone(),
                },
                "FailedPrecondition",
                "DEPENDENCY_FAILED",
            ),
        ] {
            let Cause::Reason(found) = Refusal::from(rejection.clone()).cause else {
                panic!("{reason} is not the caller's to mend")
            };
            assert_eq!(
                (format!("{:?}", found.code()).as_str(), found.as_str()),
                (code, reason)
            );
            let item = of_item(&rejection);
            assert_eq!(item.reason, reason);
            assert_eq!(item.message, Refusal::from(rejection).message);
        }
    }

    #[test]
    fn the_message_begins_with_how_many_faults_there_are() {
        let message = |faults| Refusal::from(faults).message;
        let one = message(faults(&[FaultKind::Field]));
        assert_eq!(one, "1 fault: tasks[0].task_id: is wrong");
        let two = message(faults(&[FaultKind::Field; 2]));
        assert!(two.starts_with("2 faults: tasks[0].task_id: is wrong; tasks[0]"));
        let many = Refusal::from(faults(&[FaultKind::Field; 1000]));
        assert!(many.message.starts_with("1000 faults: "));
        assert!(many.message.ends_with("; and 968 more"), "{}", many.message);
        assert_eq!(many.details.faults.len(), 32);
    }
}
