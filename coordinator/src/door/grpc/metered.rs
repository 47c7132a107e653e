//! A call, counted by its method, code and reason, with the time it took.

use std::sync::Arc;

use swarm_proto::{call::CallFailure, reason::Reason};
use tonic::{Code, Status, codegen::http};

use crate::{
    core::meters::{Meter, Meters},
    machine::clock::Stopwatch,
};

/// A call under way. It is counted when this is dropped, also when that is because its caller has gone or its
/// time is up.
pub(super) struct Call {
    meters: Arc<Meters>,
    meter: Meter,
    watch: Stopwatch,
    code: Code,
    reason: Option<Reason>,
}

impl Call {
    /// The call of the method with this path begins.
    pub(super) fn begin(meters: Arc<Meters>, path: &str) -> Call {
        Call {
            meters,
            meter: Meter::of(path),
            watch: Stopwatch::start(),
            code: Code::Cancelled,
            reason: None,
        }
    }

    /// A refusal is in the headers; what else ends a call comes behind the messages, when it has been counted.
    pub(super) fn note(&mut self, headers: &http::HeaderMap) {
        match Status::from_header_map(headers) {
            Some(status) if status.code() != Code::Ok => {
                self.end(status.code(), CallFailure::of(&status).reason());
            }
            Some(_) | None => self.end(Code::Ok, None),
        }
    }

    fn end(&mut self, code: Code, reason: Option<Reason>) {
        self.code = code;
        self.reason = reason;
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let code = usize::try_from(i32::from(self.code)).unwrap_or(usize::MAX);
        self.meters
            .answered(self.meter, code, self.reason, self.watch.elapsed());
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
            call().note(answer.into_http::<()>().headers());
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
