//! A call, counted by its method, code and reason, with the time it took.

use std::{sync::Arc, time::Duration};

use swarm_proto::{call::CallFailure, reason::Reason};
use tonic::{Code, Status, codegen::http};

use crate::{
    core::meters::{Meter, Meters},
    machine::clock::Stopwatch,
};

/// A call under way. It is counted when this is dropped: as cancelled, when that is because its caller has gone or its
/// time is up.
pub(super) struct Call {
    meters: Arc<Meters>,
    meter: Meter,
    watch: Stopwatch,
    /// The time until its answer began.
    took: Option<Duration>,
    end: End,
}

/// How a call ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    code: Code,
    reason: Option<Reason>,
}

impl End {
    /// Nobody takes the answer.
    pub(super) const CANCELLED: End = End {
        code: Code::Cancelled,
        reason: None,
    };
    /// The answer cannot be made to its end.
    pub(super) const BROKEN: End = End {
        code: Code::Internal,
        reason: None,
    };
    /// There is no room for the answer.
    pub(super) const BUSY: End = End {
        code: Code::ResourceExhausted,
        reason: Some(Reason::Busy),
    };

    /// As the headers of the answer say: a refusal is in them.
    pub(super) fn of(headers: &http::HeaderMap) -> End {
        match Status::from_header_map(headers) {
            Some(status) if status.code() != Code::Ok => End {
                code: status.code(),
                reason: CallFailure::of(&status).reason(),
            },
            Some(_) | None => End {
                code: Code::Ok,
                reason: None,
            },
        }
    }
}

impl Call {
    /// The call of the method with this path begins.
    pub(super) fn begin(meters: Arc<Meters>, path: &str) -> Call {
        Call {
            meters,
            meter: Meter::of(path),
            watch: Stopwatch::start(),
            took: None,
            end: End::CANCELLED,
        }
    }

    /// Its answer begins.
    pub(super) fn begins_to_answer(&mut self) {
        self.took = Some(self.watch.elapsed());
    }

    /// Counts it as ended in this way.
    pub(super) fn end(mut self, end: End) {
        self.end = end;
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let End { code, reason } = self.end;
        let code = usize::try_from(i32::from(code)).unwrap_or(usize::MAX);
        let took = self.took.unwrap_or_else(|| self.watch.elapsed());
        self.meters.answered(self.meter, code, reason, took);
    }
}

#[cfg(test)]
mod tests {
    use swarm_proto::{call::status, refusal::Details};

    use super::*;
    use crate::core::meters::CODES;

    #[test]
    fn a_call_is_counted_once_by_its_code_and_its_reason() {
        let meters = Arc::new(Meters::default());
        let call = || Call::begin(Arc::clone(&meters), "/swarm.v1.TaskService/GetTask");
        let busy = status(Reason::Busy, "later", Details::default());
        for answer in [Status::ok(""), Status::internal("odd"), busy] {
            call().end(End::of(answer.into_http::<()>().headers()));
        }
        // Its caller has gone.
        drop(call());

        let (name, calls) = meters.calls().next().unwrap();
        assert_eq!(name, "swarm.v1.TaskService/GetTask");
        let codes: Vec<_> = calls.by_code().collect();
        assert_eq!(
            codes,
            [
                ("OK", 1),
                ("CANCELLED", 1),
                ("RESOURCE_EXHAUSTED", 1),
                ("INTERNAL", 1)
            ]
        );
        let refused: Vec<_> = meters.refusals().filter(|(_, count)| *count > 0).collect();
        assert_eq!(refused, [("BUSY", 1)]);
    }

    #[test]
    fn codes_have_the_names_of_their_numbers() {
        for (number, name) in (0..).zip(CODES) {
            let code = Code::from_i32(number);
            let spelled = format!("{code:?}").to_uppercase();
            let expected = name.replace('_', "");
            // The specification has two letters where the library has one.
            assert_eq!(spelled.replace("CANCELED", "CANCELLED"), expected);
        }
    }
}
