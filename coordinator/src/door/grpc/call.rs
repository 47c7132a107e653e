//! One call: its request is let arrive, handed to the services, and its answer is sent.

use std::{pin::pin, sync::Arc, time::Duration};

use h2::{RecvStream, server::SendResponse};
use tokio::time::timeout;
use tonic::{
    Status,
    body::Body,
    codegen::{Service as _, http},
    service::Routes,
};

use super::{
    arriving::{self, Arrived, Frames, Whole},
    incoming::Peer,
    leaving::{Leaving, Piece},
    metered::Call,
    method::{Kind, Method},
    status::status_of,
};
use crate::{
    core::{budget::Budget, meters::Meters},
    program::limits::CALL_PATIENCE,
    request::Refusal,
};

/// What every call needs.
pub(super) struct Door {
    pub(super) services: Routes,
    pub(super) meters: Arc<Meters>,
    pub(super) budget: Budget,
}

type Answer = http::Response<Body>;

/// Answers a call, unless its caller goes away.
pub(super) async fn answer(
    request: http::Request<RecvStream>,
    mut respond: SendResponse<Piece>,
    door: Arc<Door>,
    peer: Arc<Peer>,
) {
    let path = request.uri().path();
    let method = Method::of(path);
    let call = Call::begin(Arc::clone(&door.meters), path);
    // An open stream counts until its end.
    let place = match method.kind() {
        Kind::Message => Ok(None),
        Kind::Stream | Kind::Foreign => match peer.enter() {
            Some(place) => Ok(Some(place)),
            None => Err("too many streams are open from this address or on this connection; close some"),
        },
    };
    let leaving = Leaving {
        call,
        kind: method.kind(),
        budget: &door.budget.answers,
        peer: &peer,
    };
    let place = match place {
        Ok(place) => place,
        Err(full) => {
            return leaving
                .send(status_of(Refusal::busy(full)).into_http(), respond)
                .await;
        }
    };
    let patience = asked_patience(request.headers()).map_or(CALL_PATIENCE, |asked| asked.min(CALL_PATIENCE));
    let answered = {
        let mut made = pin!(timeout(patience, make(request, method, &door, &peer)));
        std::future::poll_fn(|cx| {
            if let std::task::Poll::Ready(answer) = made.as_mut().poll(cx) {
                return std::task::Poll::Ready(Some(answer));
            }
            respond.poll_reset(cx).map(|_| None)
        })
        .await
    };
    let answer = match answered {
        // Counted as cancelled.
        None => return,
        Some(Ok(answer)) => answer,
        Some(Err(_)) => Status::cancelled("the time for this call is up").into_http(),
    };
    leaving.send(answer, respond).await;
    drop(place);
}

/// Makes the answer, or the refusal of a request that cannot be read.
async fn make(request: http::Request<RecvStream>, method: Method, door: &Door, peer: &Peer) -> Answer {
    let (mut head, body) = request.into_parts();
    let mut services = door.services.clone();
    let body = match method.message_bytes() {
        // Services of others read a stream of small messages.
        None => Body::new(Frames(body)),
        Some(most) => match arriving::whole(&head.headers, body, method, most, &door.budget, peer).await {
            Ok(Arrived { frame, taken }) => {
                if let Some(taken) = taken {
                    head.extensions.insert(taken);
                }
                Body::new(Whole(Some(frame)))
            }
            Err(refused) => return (*refused).into_http(),
        },
    };
    match services.call(http::Request::from_parts(head, body)).await {
        Ok(answer) => answer,
        Err(never) => match never {},
    }
}

/// How long the caller waits, as its `grpc-timeout` says.
fn asked_patience(headers: &http::HeaderMap) -> Option<Duration> {
    let value = headers.get("grpc-timeout")?.to_str().ok()?;
    let (number, unit) = value.split_at_checked(value.len().checked_sub(1)?)?;
    // The specification allows so many digits.
    let number: u64 = (number.len() <= 8).then(|| number.parse().ok())??;
    match unit {
        "H" => Some(Duration::from_secs(number * 3600)),
        "M" => Some(Duration::from_secs(number * 60)),
        "S" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_millis(number)),
        "u" => Some(Duration::from_micros(number)),
        "n" => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_says_how_long_it_waits() {
        let asked = |value: &'static str| {
            let mut headers = http::HeaderMap::new();
            headers.insert("grpc-timeout", http::HeaderValue::from_static(value));
            asked_patience(&headers)
        };
        assert_eq!(asked("250m"), Some(Duration::from_millis(250)));
        assert_eq!(asked("2S"), Some(Duration::from_secs(2)));
        assert_eq!(asked("99999999H"), Some(Duration::from_secs(99_999_999 * 3600)));
        for odd in ["", "m", "123456789m", "1x", "-1S"] {
            assert_eq!(asked(odd), None, "{odd:?}");
        }
        assert_eq!(asked_patience(&http::HeaderMap::new()), None);
    }
}
