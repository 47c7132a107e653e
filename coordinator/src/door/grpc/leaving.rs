//! An answer on its way to a peer, which takes it when it likes.
//!
//! h2 is given only what the peer has room for, so that an answer that nobody takes is here, counted, and can be
//! ended alone. What h2 has counts, too, until it is on the wire. It waits there for the connection, which takes the
//! answers in their order, or for a window that the peer has shut behind it: so the connection is given up for it,
//! when others need the memory. A peer that takes something now and then is slow, and keeps its answers for longer.

use std::{future::poll_fn, pin::Pin, sync::Arc, task::Poll};

use bytes::Buf;
use h2::{Reason, SendStream, server::SendResponse};
use http_body::Frame;
use tokio::{sync::Notify, time::timeout};
use tonic::{
    Status,
    body::Body,
    codegen::{Body as _, Bytes, http},
};

use super::{
    incoming::Peer,
    metered::{Call, End},
    method::Kind,
    status::status_of,
};
use crate::{
    core::budget::{Hold, Part, Waited},
    program::limits::{ANSWER_PATIENCE, MAX_SEND_BUFFER_BYTES},
    request::Refusal,
};

/// Bytes that h2 has until they are on the wire.
pub(super) struct Piece {
    bytes: Bytes,
    _held: Option<Arc<Hold>>,
}

impl Buf for Piece {
    fn remaining(&self) -> usize {
        self.bytes.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.bytes.chunk()
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
    }
}

/// The peer has gone or has everything, or it is told why there is no more.
enum Ended {
    Gone,
    Reset(Reason),
}

type Sent<T> = Result<T, Ended>;

/// What an answer needs on its way.
pub(super) struct Leaving<'a> {
    pub(super) call: Call,
    pub(super) kind: Kind,
    pub(super) budget: &'a Arc<Part>,
    pub(super) peer: &'a Peer,
}

impl Leaving<'_> {
    /// Sends an answer until its end, or until nobody takes it. A call of one message is counted when h2 has all of the
    /// answer; that of a stream when the answer begins.
    pub(super) async fn send(self, answer: http::Response<Body>, mut respond: SendResponse<Piece>) {
        let Leaving {
            mut call,
            kind,
            budget,
            peer,
        } = self;
        call.begins_to_answer();
        let end = End::of(answer.headers());
        let (head, mut body) = answer.into_parts();
        // A single message is encoded at once: its bytes are counted, and nothing is kept beside them.
        let first = match kind {
            Kind::Message if !body.is_end_stream() => next(&mut body).await,
            Kind::Message | Kind::Stream | Kind::Foreign => None,
        };
        let mut held = None;
        if let Some(bytes) = first.as_ref().and_then(|first| first.as_ref().ok()?.data_ref()) {
            held = budget.take(bytes.len() as u64);
            if held.is_none() {
                call.end(End::BUSY);
                return refuse(respond);
            }
        }
        let empty = first.is_none() && body.is_end_stream();
        let call = match kind {
            Kind::Message if !empty => Some((call, end)),
            Kind::Message | Kind::Stream | Kind::Foreign => {
                call.end(end);
                None
            }
        };
        let Ok(mut stream) = respond.send_response(http::Response::from_parts(head, ()), empty) else {
            return;
        };
        if empty {
            return;
        }
        let mut sending = Sending {
            stream: &mut stream,
            call,
            kind,
            budget,
            peer,
        };
        if let Err(Ended::Reset(reason)) = sending.all(first, held, body).await {
            sending.cut(reason);
            stream.send_reset(reason);
        }
    }
}

/// Refuses an answer that was made, because there is no room for it.
fn refuse(mut respond: SendResponse<Piece>) {
    let why = "the coordinator has no memory for more answers at the moment; try again in a second";
    let refused = status_of(Refusal::busy(why)).into_http::<()>();
    // Whoever has gone is not told.
    let _ = respond.send_response(refused.map(|_| ()), true);
}

struct Sending<'a> {
    stream: &'a mut SendStream<Piece>,
    /// With the end that its headers say; counted as cancelled when this is dropped before.
    call: Option<(Call, End)>,
    kind: Kind,
    budget: &'a Arc<Part>,
    peer: &'a Peer,
}

/// Part of an answer; `None` at its end.
type Next = Option<Result<Frame<Bytes>, Status>>;

impl Sending<'_> {
    async fn all(&mut self, mut first: Next, mut held: Option<Hold>, mut body: Body) -> Sent<()> {
        loop {
            let frame = match first.take() {
                Some(frame) => Some(frame),
                None => {
                    // Nothing of a stream is read before somebody takes it.
                    if self.kind != Kind::Message {
                        self.until_wanted().await?;
                    }
                    self.next(&mut body).await?
                }
            };
            let frame = match frame {
                Some(Ok(frame)) => frame,
                Some(Err(_)) => return Err(Ended::Reset(Reason::INTERNAL_ERROR)),
                None => {
                    self.end();
                    return self.piece(Bytes::new(), None, true);
                }
            };
            match frame.into_data() {
                Ok(bytes) => {
                    let held = held.take().or_else(|| self.budget.take(bytes.len() as u64));
                    self.data(bytes, held.ok_or(BUSY)?).await?;
                }
                Err(frame) => {
                    let trailers = frame.into_trailers().unwrap_or_default();
                    self.end();
                    return self.stream.send_trailers(trailers).map_err(|_| Ended::Gone);
                }
            }
        }
    }

    /// Counts the call as its headers say: all that is left is sent now.
    fn end(&mut self) {
        if let Some((call, end)) = self.call.take() {
            call.end(end);
        }
    }

    /// Counts the call as ended for this reason.
    fn cut(&mut self, reason: Reason) {
        let end = match reason {
            Reason::ENHANCE_YOUR_CALM => End::BUSY,
            Reason::INTERNAL_ERROR => End::BROKEN,
            _ => End::CANCELLED,
        };
        if let Some((call, _)) = self.call.take() {
            call.end(end);
        }
    }

    /// The next frame, unless the peer goes away.
    async fn next(&mut self, body: &mut Body) -> Sent<Next> {
        poll_fn(|cx| {
            if let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(cx) {
                return Poll::Ready(Ok(frame));
            }
            self.stream.poll_reset(cx).map(|_| Err(Ended::Gone))
        })
        .await
    }

    /// Gives h2 these bytes as the peer makes room for them.
    async fn data(&mut self, mut bytes: Bytes, mut held: Hold) -> Sent<()> {
        self.stream
            .reserve_capacity(bytes.len().min(MAX_SEND_BUFFER_BYTES));
        if self.stream.capacity() >= bytes.len() {
            held.wait_for_peer(&self.peer.wire);
            return self.piece(bytes, Some(Arc::new(held)), false);
        }
        let window = Arc::<Waited>::default();
        held.wait_for_peer(&window);
        let held = Arc::new(held);
        while !bytes.is_empty() {
            let room = self.capacity(bytes.len(), &window.given_up).await?;
            let piece = bytes.split_to(room.min(bytes.len()));
            window.note_taken(piece.len());
            self.piece(piece, Some(Arc::clone(&held)), false)?;
        }
        // What is left of it is with h2.
        if held.wait_instead_for(&self.peer.wire) {
            Ok(())
        } else {
            Err(BUSY)
        }
    }

    fn piece(&mut self, bytes: Bytes, held: Option<Arc<Hold>>, last: bool) -> Sent<()> {
        let piece = Piece { bytes, _held: held };
        self.stream.send_data(piece, last).map_err(|_| Ended::Gone)
    }

    /// Waits until the peer has room for something.
    async fn until_wanted(&mut self) -> Sent<()> {
        self.stream.reserve_capacity(1);
        if self.stream.capacity() == 0 {
            self.capacity(1, &Notify::new()).await?;
        }
        Ok(())
    }

    /// For how many bytes the peer has room, once it has some.
    async fn capacity(&mut self, wanted: usize, given_up: &Notify) -> Sent<usize> {
        self.stream.reserve_capacity(wanted.min(MAX_SEND_BUFFER_BYTES));
        let room = poll_fn(|cx| {
            loop {
                // What is there already is not told again.
                match self.stream.capacity() {
                    0 => match self.stream.poll_capacity(cx) {
                        Poll::Ready(Some(Ok(0))) => {}
                        polled => return polled,
                    },
                    room => return Poll::Ready(Some(Ok(room))),
                }
            }
        });
        let taken = async {
            tokio::select! {
                room = room => match room {
                    Some(Ok(room)) => Ok(room),
                    Some(Err(_)) | None => Err(Ended::Gone),
                },
                () = given_up.notified() => Err(BUSY),
            }
        };
        timeout(ANSWER_PATIENCE, taken)
            .await
            .unwrap_or(Err(Ended::Reset(Reason::CANCEL)))
    }
}

/// There is no room for an answer that has begun.
const BUSY: Ended = Ended::Reset(Reason::ENHANCE_YOUR_CALM);

async fn next(body: &mut Body) -> Next {
    poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await
}

#[cfg(test)]
mod tests;
