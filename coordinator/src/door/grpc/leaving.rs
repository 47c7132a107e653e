//! An answer on its way to a peer, which takes it when it likes.
//!
//! h2 is given only what the peer has room for, so that an answer that nobody takes is here, counted, and can be
//! ended alone.

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

use super::{method::Kind, status::status_of};
use crate::{
    core::budget::{Hold, Part},
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

/// Sends an answer until its end, or until nobody takes it.
pub(super) async fn send(
    answer: http::Response<Body>,
    mut respond: SendResponse<Piece>,
    budget: &Arc<Part>,
    kind: Kind,
) {
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
            return refuse(respond);
        }
    }
    let empty = first.is_none() && body.is_end_stream();
    let Ok(mut stream) = respond.send_response(http::Response::from_parts(head, ()), empty) else {
        return;
    };
    if empty {
        return;
    }
    let mut sending = Sending {
        stream: &mut stream,
        budget,
        kind,
    };
    if let Err(Ended::Reset(reason)) = sending.all(first, held, body).await {
        stream.send_reset(reason);
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
    budget: &'a Arc<Part>,
    kind: Kind,
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
                None => return self.piece(Bytes::new(), None, true),
            };
            match frame.into_data() {
                Ok(bytes) => {
                    let held = held.take().or_else(|| self.budget.take(bytes.len() as u64));
                    self.data(bytes, held.ok_or(BUSY)?).await?;
                }
                Err(frame) => {
                    let trailers = frame.into_trailers().unwrap_or_default();
                    return self.stream.send_trailers(trailers).map_err(|_| Ended::Gone);
                }
            }
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
            return self.piece(bytes, Some(Arc::new(held)), false);
        }
        let given_up = Arc::default();
        held.wait_for_peer(&given_up);
        let held = Arc::new(held);
        while !bytes.is_empty() {
            let room = self.capacity(bytes.len(), &given_up).await?;
            let piece = bytes.split_to(room.min(bytes.len()));
            self.piece(piece, Some(Arc::clone(&held)), false)?;
        }
        Ok(())
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
mod tests {
    use tokio::{io::DuplexStream, time::timeout};

    use super::{super::arriving::Whole, *};
    use crate::core::budget::Budget;

    const ANSWER_BYTES: usize = 100_000;

    /// Answers each call with some bytes.
    async fn serve(wire: DuplexStream, budget: Arc<Part>) {
        let server = h2::server::Builder::new().handshake::<_, Piece>(wire);
        let mut connection = server.await.unwrap();
        while let Some(Ok((_, respond))) = connection.accept().await {
            let body = Body::new(Whole(Some(vec![0; ANSWER_BYTES].into())));
            let budget = Arc::clone(&budget);
            tokio::spawn(async move {
                send(http::Response::new(body), respond, &budget, Kind::Message).await;
            });
        }
    }

    /// The answer to a call of a peer that lets so many bytes come.
    async fn answer(budget: &Arc<Part>, window: u32) -> h2::RecvStream {
        let (near, far) = tokio::io::duplex(1 << 20);
        tokio::spawn(serve(far, Arc::clone(budget)));
        let client = h2::client::Builder::new()
            .initial_window_size(window)
            .handshake::<_, Bytes>(near);
        let (client, connection) = client.await.unwrap();
        tokio::spawn(connection);
        let request = http::Request::get("http://test/").body(()).unwrap();
        let (answer, _) = client.ready().await.unwrap().send_request(request, true).unwrap();
        answer.await.unwrap().into_body()
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_of_which_nothing_is_taken_ends_and_gives_its_room_back() {
        let budget = Budget::of(0).answers;
        let mut body = answer(&budget, 1).await;
        assert_eq!(body.data().await.unwrap().unwrap().len(), 1);
        assert_eq!(budget.used(), ANSWER_BYTES as u64);
        let ended = timeout(ANSWER_PATIENCE * 2, body.data());
        let error = ended.await.expect("it ends").unwrap().unwrap_err();
        assert_eq!(error.reason(), Some(Reason::CANCEL));
        assert_eq!(budget.used(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_sent_as_its_peer_takes_it() {
        let budget = Budget::of(0).answers;
        let mut body = answer(&budget, 1000).await;
        let mut taken = 0;
        while let Some(piece) = body.data().await {
            let piece = piece.unwrap().len();
            taken += piece;
            body.flow_control().release_capacity(piece).unwrap();
        }
        assert_eq!(taken, ANSWER_BYTES);
    }
}
