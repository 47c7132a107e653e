//! A layer around all calls that counts them by method, code and reason, and measures how long they took.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use swarm_proto::{call::CallFailure, reason::Reason};
use tonic::{
    Code, Status,
    codegen::{Service, http},
};
use tower_layer::Layer;

use crate::{
    core::meters::{Meters, Method},
    machine::clock::Stopwatch,
};

/// See the module.
#[derive(Clone)]
pub(crate) struct Metered(pub(crate) Arc<Meters>);

/// What is inside, counted.
#[derive(Clone)]
pub(crate) struct Counted<S> {
    inner: S,
    meters: Arc<Meters>,
}

impl<S> Layer<S> for Metered {
    type Service = Counted<S>;

    fn layer(&self, inner: S) -> Counted<S> {
        Counted {
            inner,
            meters: Arc::clone(&self.0),
        }
    }
}

impl<S, A, B> Service<http::Request<A>> for Counted<S>
where
    S: Service<http::Request<A>, Response = http::Response<B>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<A>) -> Self::Future {
        let mut call = Call {
            meters: Arc::clone(&self.meters),
            method: Method::of(request.uri().path()),
            watch: Stopwatch::start(),
            code: Code::Cancelled,
            reason: None,
        };
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await;
            match &answer {
                Ok(response) => call.note(response.headers()),
                Err(_) => call.end(Code::Unknown, None),
            }
            answer
        })
    }
}

/// A call under way. It is counted when this is dropped, also when that is because its caller has gone or its
/// time is up.
struct Call {
    meters: Arc<Meters>,
    method: Method,
    watch: Stopwatch,
    code: Code,
    reason: Option<Reason>,
}

impl Call {
    /// A refusal is in the headers; what else ends a call comes behind the messages, when it has been counted.
    fn note(&mut self, headers: &http::HeaderMap) {
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
            .answered(self.method, code, self.reason, self.watch.elapsed());
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use swarm_proto::{call::status, refusal::Details};

    use super::*;
    use crate::core::meters::CODES;

    /// Answers as it is told; nothing is no answer ever.
    #[derive(Clone)]
    struct Answers(Option<Status>);

    impl Service<http::Request<()>> for Answers {
        type Response = http::Response<tonic::body::Body>;
        type Error = Infallible;
        type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

        fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _request: http::Request<()>) -> Self::Future {
            match self.0.clone() {
                Some(status) => Box::pin(async move { Ok(status.into_http()) }),
                None => Box::pin(std::future::pending()),
            }
        }
    }

    fn request() -> http::Request<()> {
        let mut request = http::Request::new(());
        *request.uri_mut() = "/swarm.v1.TaskService/GetTask".parse().unwrap();
        request
    }

    #[tokio::test]
    async fn a_call_is_counted_once_by_its_code_and_its_reason() {
        let meters = Arc::new(Meters::default());
        let metered = Metered(Arc::clone(&meters));
        let busy = status(Reason::Busy, "later", Details::default());
        for answer in [Status::ok(""), Status::internal("odd"), busy] {
            let _ = metered.layer(Answers(Some(answer))).call(request()).await;
        }
        drop(metered.layer(Answers(None)).call(request()));

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
