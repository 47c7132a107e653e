//! A request's message as it arrives: counted by what has come, not by what it says will come.
//!
//! tonic would reserve the length that a message declares. It is handed the whole message instead, when it is there.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll, ready},
};

use h2::RecvStream;
use http_body::Frame;
use swarm_proto::reason::Reason;
use tokio::sync::Notify;
use tonic::{
    Status,
    codegen::{Body, Bytes},
};

use super::{method::Method, status::status_of};
use crate::{
    core::budget::{Budget, Hold},
    program::limits::{MAX_DECODED_BYTES, ROOM_PATIENCE},
    request::Refusal,
};

/// A flag and the length stand before a message.
const PREFIX_BYTES: usize = 5;

/// A message with its prefix, and the memory that it takes until it is answered.
pub(super) struct Arrived {
    pub(super) frame: Bytes,
    pub(super) held: Option<Hold>,
}

/// Why a message is not taken.
type Refused = Box<Status>;

/// Waits until the message is there, which may have so many bytes.
///
/// # Errors
///
/// When it says that it is longer, there is no room for it, or it would take too much memory.
pub(super) async fn whole(
    mut body: RecvStream,
    method: Method,
    most: usize,
    budget: &Budget,
) -> Result<Arrived, Refused> {
    let mut bytes = next(&mut body).await.unwrap_or_default();
    // Most messages come in one piece.
    if missing(&bytes, most)? != Some(0) {
        bytes = rest(bytes, &mut body, most, budget).await?;
    }
    if bytes.len() < PREFIX_BYTES {
        // Whatever is wrong with so little, tonic says it.
        return Ok(Arrived {
            frame: bytes,
            held: None,
        });
    }
    let decoded = method.weight(&bytes[PREFIX_BYTES..]);
    if decoded > MAX_DECODED_BYTES {
        let message = format!(
            "the message would take {} MiB of memory, at most {} are allowed: ask for less in one request",
            decoded >> 20,
            MAX_DECODED_BYTES >> 20
        );
        let refusal = Refusal::new(Reason::FieldInvalid, message, Default::default());
        return Err(Box::new(status_of(refusal)));
    }
    // Once as it is, and once more while tonic reads it.
    let taken = decoded + 2 * bytes.len() as u64;
    match budget.decoding.take_within(ROOM_PATIENCE, taken).await {
        Some(held) => Ok(Arrived {
            frame: bytes,
            held: Some(held),
        }),
        None => Err(no_room()),
    }
}

/// The pieces up to the end of the message, or of what is sent.
async fn rest(first: Bytes, body: &mut RecvStream, most: usize, budget: &Budget) -> Result<Bytes, Refused> {
    let mut held = budget.reading.take(0).ok_or_else(no_room)?;
    // Bytes that arrive in many small pieces take as much memory as in one.
    let mut bytes = Vec::new();
    let mut piece = Some(first);
    let given_up = held.wait_for_peer();
    while let Some(more) = piece {
        let wanted = bytes.len() + more.len();
        if wanted > bytes.capacity() {
            let grown = wanted.max(2 * bytes.capacity());
            if !held.grow((grown - bytes.capacity()) as u64) {
                return Err(no_room());
            }
            bytes.reserve_exact(grown - bytes.len());
        }
        bytes.extend_from_slice(&more);
        drop(more);
        if missing(&bytes, most)? == Some(0) {
            break;
        }
        piece = next_unless(&given_up, body).await?;
    }
    Ok(Bytes::from(bytes))
}

async fn next_unless(given_up: &Notify, body: &mut RecvStream) -> Result<Option<Bytes>, Refused> {
    tokio::select! {
        piece = next(body) => Ok(piece),
        () = given_up.notified() => Err(no_room()),
    }
}

/// How many bytes of the message are missing; `None` while its length is not known.
fn missing(bytes: &[u8], most: usize) -> Result<Option<usize>, Refused> {
    let Some((prefix, message)) = bytes.split_first_chunk::<PREFIX_BYTES>() else {
        return Ok(None);
    };
    let [_, length @ ..] = *prefix;
    let length = u32::from_be_bytes(length) as usize;
    if length > most {
        return Err(Box::new(Status::out_of_range(format!(
            "the message has {length} bytes, at most {most} are allowed"
        ))));
    }
    Ok(Some(length.saturating_sub(message.len())))
}

/// The next piece; `None` at the end, also at one that came too early.
async fn next(body: &mut RecvStream) -> Option<Bytes> {
    let piece = body.data().await?.ok()?;
    // The peer may send as much again.
    let _ = body.flow_control().release_capacity(piece.len());
    Some(piece)
}

fn no_room() -> Refused {
    let why = "the coordinator has no memory for more requests at the moment; try again in a second";
    Box::new(status_of(Refusal::busy(why)))
}

/// A body of one message.
pub(super) struct Whole(pub(super) Option<Bytes>);

impl Body for Whole {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.get_mut().0.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }
}

/// A body as it arrives.
pub(super) struct Frames(pub(super) RecvStream);

impl Body for Frames {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        let body = &mut self.get_mut().0;
        Poll::Ready(match ready!(body.poll_data(cx)) {
            Some(Ok(piece)) => {
                let _ = body.flow_control().release_capacity(piece.len());
                Some(Ok(Frame::data(piece)))
            }
            Some(Err(error)) => Some(Err(error)),
            None => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_known_behind_the_prefix() {
        let said = |bytes: &[u8]| missing(bytes, 10).map_err(|status| status.code());
        assert_eq!(said(&[]), Ok(None));
        assert_eq!(said(&[0, 0, 0, 0]), Ok(None));
        assert_eq!(said(&[0, 0, 0, 0, 0]), Ok(Some(0)));
        assert_eq!(said(&[0, 0, 0, 0, 10, 1]), Ok(Some(9)));
        assert_eq!(said(&[0, 0, 0, 0, 1, 1, 2]), Ok(Some(0)));
        assert_eq!(said(&[0, 0, 0, 0, 11]), Err(tonic::Code::OutOfRange));
    }
}
