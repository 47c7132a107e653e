//! A request's message as it arrives: counted by what has come, not by what it says will come, among all that arrive
//! and among those of its address.
//!
//! tonic would reserve the length that a message declares. It is handed the whole message instead, when it is there.

use std::{
    convert::Infallible,
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use h2::RecvStream;
use http_body::Frame;
use swarm_proto::reason::Reason;
use tonic::{
    Status,
    codegen::{Body, Bytes, http},
};

use super::{incoming::Peer, method::Method, status::status_of};
use crate::{
    core::budget::{Budget, Hold, Waited},
    program::limits::{CALL_BYTES, HEADER_BYTES, MAX_DECODED_BYTES, ROOM_PATIENCE},
    request::Refusal,
};

/// A flag and the length stand before a message.
const PREFIX_BYTES: usize = 5;

/// Pieces that may come behind a message before the end of its stream, which some clients send in a frame of its own.
const MAX_LATE_PIECES: usize = 16;

/// A message with its prefix, and the memory that it takes until it is answered.
pub(super) struct Arrived {
    pub(super) frame: Bytes,
    pub(super) taken: Option<Taken>,
}

/// Travels with a request, whose memory counts until this is dropped.
#[derive(Clone)]
pub(super) struct Taken {
    _held: Arc<Hold>,
}

/// Why a message is not taken.
type Refused = Box<Status>;

/// Waits until the message is there, which may have so many bytes. Its headers are there, and count with it.
///
/// # Errors
///
/// When it says that it is longer, there is no room for it, or it would take too much memory.
pub(super) async fn whole(
    headers: &http::HeaderMap,
    body: RecvStream,
    method: Method,
    most: usize,
    budget: &Budget,
    peer: &Peer,
) -> Result<Arrived, Refused> {
    let call = CALL_BYTES + headers_bytes(headers);
    let mut arriving = Arriving {
        body,
        of_address: peer.reading.take(call).ok_or_else(|| too_much(budget))?,
        held: budget.reading.take(call).ok_or_else(no_room)?,
        budget,
        sender: Arc::default(),
        waits: false,
    };
    let bytes = arriving.message(most).await?;
    // What has arrived counts until it counts as what is being answered.
    arriving.peer_has_come()?;
    if bytes.len() < PREFIX_BYTES {
        // Whatever is wrong with so little, tonic says it.
        return Ok(Arrived {
            frame: bytes,
            taken: None,
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
            taken: Some(Taken {
                _held: Arc::new(held),
            }),
        }),
        None => Err(no_room()),
    }
}

/// About how many bytes the headers of a request take.
fn headers_bytes(headers: &http::HeaderMap) -> u64 {
    let text = |(name, value): (&http::HeaderName, &http::HeaderValue)| name.as_str().len() + value.len();
    headers
        .iter()
        .map(|header| HEADER_BYTES + text(header) as u64)
        .sum()
}

/// A message of which more may come.
struct Arriving<'a> {
    body: RecvStream,
    of_address: Hold,
    held: Hold,
    budget: &'a Budget,
    sender: Arc<Waited>,
    waits: bool,
}

impl Arriving<'_> {
    /// The message, once its stream has ended: a stream that we let go before would have to be reset.
    async fn message(&mut self, most: usize) -> Result<Bytes, Refused> {
        let first = self.next().await?.unwrap_or_default();
        // Most messages come in one piece.
        let bytes = if missing(&first, most)? == Some(0) {
            self.grow(first.len()).await?;
            first
        } else {
            self.rest(first, most).await?
        };
        for _ in 0..MAX_LATE_PIECES {
            if self.body.is_end_stream() || self.next().await?.is_none() {
                break;
            }
        }
        Ok(bytes)
    }

    /// The pieces up to the end of the message, or of what is sent.
    async fn rest(&mut self, first: Bytes, most: usize) -> Result<Bytes, Refused> {
        // Bytes that arrive in many small pieces take as much memory as in one.
        let mut bytes = Vec::new();
        let mut piece = Some(first);
        let mut whole = PREFIX_BYTES;
        while let Some(more) = piece {
            let wanted = bytes.len() + more.len();
            if wanted > bytes.capacity() {
                let grown = wanted.max((2 * bytes.capacity()).min(whole));
                self.grow(grown - bytes.capacity()).await?;
                bytes.reserve_exact(grown - bytes.len());
            }
            bytes.extend_from_slice(&more);
            drop(more);
            match missing(&bytes, most)? {
                Some(0) => break,
                Some(missing) => whole = bytes.len() + missing,
                None => {}
            }
            piece = self.next().await?;
        }
        Ok(Bytes::from(bytes))
    }

    async fn grow(&mut self, bytes: usize) -> Result<(), Refused> {
        let bytes = bytes as u64;
        let grown = async {
            if !self.of_address.grow_within(ROOM_PATIENCE, bytes).await {
                return Err(too_much(self.budget));
            }
            let has_room = self.held.grow_within(ROOM_PATIENCE, bytes).await;
            if has_room { Ok(()) } else { Err(no_room()) }
        };
        tokio::select! {
            grown = grown => return grown,
            () = self.sender.given_up.notified() => {}
        }
        self.peer_has_come()
    }

    /// The wait for the peer is over, unless this was given up meanwhile: for others, or for its own address.
    fn peer_has_come(&mut self) -> Result<(), Refused> {
        let stood_there = self.of_address.peer_has_come();
        // This one is counted among the refusals of all as it is given up.
        if !self.held.peer_has_come() {
            return Err(no_room());
        }
        if stood_there {
            Ok(())
        } else {
            Err(too_much(self.budget))
        }
    }

    /// The next piece; `None` at the end, also at one that came too early.
    async fn next(&mut self) -> Result<Option<Bytes>, Refused> {
        // Most are there already.
        let there = poll_fn(|cx| Poll::Ready(self.body.poll_data(cx))).await;
        let piece = match there {
            Poll::Ready(piece) => piece,
            Poll::Pending => {
                if !self.waits {
                    self.of_address.wait_for_peer(&self.sender);
                    self.held.wait_for_peer(&self.sender);
                    self.waits = true;
                }
                tokio::select! {
                    piece = self.body.data() => piece,
                    () = self.sender.given_up.notified() => {
                        self.peer_has_come()?;
                        None
                    }
                }
            }
        };
        let Some(Ok(piece)) = piece else {
            return Ok(None);
        };
        // The peer may send as much again.
        let _ = self.body.flow_control().release_capacity(piece.len());
        Ok(Some(piece))
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

/// One address has as much as it may. It counts among the refusals of all.
fn too_much(budget: &Budget) -> Refused {
    budget.reading.note_refused();
    let why =
        "requests that are arriving from this address fill its share of the memory; try again in a second";
    Box::new(status_of(Refusal::busy(why)))
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
mod tests;
