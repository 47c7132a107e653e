//! A refusal as a gRPC status.

use swarm_proto::call;
use tonic::Status;

use crate::request::{Cause, Refusal};

/// The status that a refusal travels as.
pub(super) fn status_of(refusal: Refusal) -> Status {
    let Refusal {
        cause,
        message,
        details,
    } = refusal;
    match cause {
        Cause::Reason(reason) => call::status(reason, message, details),
        Cause::Internal => Status::internal(message),
        Cause::DataLoss => Status::data_loss(message),
    }
}

#[cfg(test)]
mod tests {
    use swarm_engine::{
        id::TaskId,
        rejection::{FaultKind, Faults, Rejection},
    };
    use swarm_proto::call::CallFailure;
    use tonic::Code;

    use super::*;
    use crate::program::limits::MAX_REFUSAL_BYTES;

    #[test]
    fn a_refusal_keeps_its_code_its_word_and_its_faults() {
        let mut faults = Faults::default();
        faults.add(FaultKind::Field, "tasks[0].task_id", "is wrong");
        let status = status_of(Rejection::Invalid(faults).into());
        let CallFailure::Refused { word, faults, .. } = CallFailure::of(&status) else {
            panic!("no refusal")
        };
        assert_eq!(
            (status.code(), word.as_str()),
            (Code::InvalidArgument, "FIELD_INVALID")
        );
        assert_eq!(faults[0].field, "tasks[0].task_id");
        assert_eq!(status_of(Refusal::internal("odd")).code(), Code::Internal);
        assert_eq!(status_of(Refusal::data_loss("gone")).code(), Code::DataLoss);
    }

    #[test]
    fn what_a_caller_sent_does_not_make_a_trailer_too_large_or_break_a_terminal() {
        let mut long = Faults::default();
        for index in 0..100 {
            long.add(FaultKind::Field, format!("tasks[{index}]"), "ä\u{1b}".repeat(100));
        }
        let endless = TaskId::stored(&"ä\u{1b}".repeat(100_000));
        for rejection in [Rejection::Invalid(long), Rejection::TaskNotFound(endless)] {
            let status = status_of(rejection.into());
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
