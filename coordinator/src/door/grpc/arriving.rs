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
use tokio::sync::Notify;
use tonic::{
    Status,
    codegen::{Body, Bytes, http},
};

use super::{incoming::Peer, method::Method, status::status_of};
use crate::{
    core::budget::{Budget, Hold},
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
        given_up: Arc::default(),
        waits: false,
    };
    let bytes = arriving.message(most).await?;
    // What has arrived counts until it counts as what is being answered.
    if !arriving.peer_has_come() {
        return Err(no_room());
    }
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
    given_up: Arc<Notify>,
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
            grown = grown => grown,
            () = self.given_up.notified() => Err(no_room()),
        }
    }

    /// The wait for the peer is over; false when this was given up meanwhile.
    fn peer_has_come(&mut self) -> bool {
        let stood = self.of_address.peer_has_come();
        self.held.peer_has_come() && stood
    }

    /// The next piece; `None` at the end, also at one that came too early.
    async fn next(&mut self) -> Result<Option<Bytes>, Refused> {
        // Most are there already.
        let there = poll_fn(|cx| Poll::Ready(self.body.poll_data(cx))).await;
        let piece = match there {
            Poll::Ready(piece) => piece,
            Poll::Pending => {
                if !self.waits {
                    self.of_address.wait_for_peer(&self.given_up);
                    self.held.wait_for_peer(&self.given_up);
                    self.waits = true;
                }
                tokio::select! {
                    piece = self.body.data() => piece,
                    () = self.given_up.notified() => return Err(no_room()),
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
mod tests {
    use swarm_proto::limits::MAX_MESSAGE_BYTES;
    use tokio::{io::DuplexStream, sync::mpsc, time::timeout};

    use super::*;
    use crate::program::limits::{READING_PART_OF_AN_ADDRESS, SMALL_BYTES};

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

    const PATIENCE: std::time::Duration = std::time::Duration::from_secs(1);

    /// Hands on what arrives of calls.
    async fn accept(
        wire: DuplexStream,
        budget: Budget,
        peer: Arc<Peer>,
        arrived: mpsc::Sender<Result<Arrived, Refused>>,
    ) {
        let mut connection = h2::server::handshake(wire).await.unwrap();
        while let Some(Ok((request, respond))) = connection.accept().await {
            let (budget, peer, arrived) = (budget.clone(), Arc::clone(&peer), arrived.clone());
            tokio::spawn(async move {
                let (head, body) = request.into_parts();
                let method = Method::of(head.uri.path());
                let most = method.message_bytes().unwrap();
                let whole = whole(&head.headers, body, method, most, &budget, &peer).await;
                let _ = arrived.send(whole).await;
                drop(respond);
            });
        }
    }

    /// A call of which nothing but the headers is sent, and where it arrives.
    async fn begin(budget: &Budget) -> (h2::SendStream<Bytes>, mpsc::Receiver<Result<Arrived, Refused>>) {
        begin_from(&Peer::alone(budget), budget).await
    }

    /// The same from somebody.
    async fn begin_from(
        peer: &Arc<Peer>,
        budget: &Budget,
    ) -> (h2::SendStream<Bytes>, mpsc::Receiver<Result<Arrived, Refused>>) {
        let (near, far) = tokio::io::duplex(1 << 20);
        let (sender, arrived) = mpsc::channel(1);
        tokio::spawn(accept(far, budget.clone(), Arc::clone(peer), sender));
        let (client, connection) = h2::client::handshake(near).await.unwrap();
        tokio::spawn(connection);
        let request = http::Request::post("http://test/swarm.v1.TaskService/SubmitTasks");
        let request = request.header("name", "value").body(()).unwrap();
        let (_, body) = client
            .ready()
            .await
            .unwrap()
            .send_request(request, false)
            .unwrap();
        (body, arrived)
    }

    /// Lets everything happen that does not wait for a timer.
    async fn settle() {
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_counts_from_its_headers_on_and_its_message_until_it_counts_as_read() {
        let budget = Budget::of(0);
        let (mut body, mut arrived) = begin(&budget).await;
        settle().await;
        let reading = budget.reading.used();
        assert!(reading > CALL_BYTES + HEADER_BYTES, "{reading}");

        let others = std::iter::from_fn(|| budget.decoding.take(SMALL_BYTES));
        let busy: Vec<Hold> = others.collect();
        let message = vec![0; 10_000];
        body.send_data(Bytes::from_static(&[0, 0, 0, 39, 16]), false)
            .unwrap();
        body.send_data(message.into(), true).unwrap();
        settle().await;
        assert!(arrived.try_recv().is_err(), "it waits for room");
        assert!(budget.reading.used() >= reading + 10_000);
        drop(busy);
        assert!(arrived.recv().await.unwrap().is_ok());
        assert_eq!(budget.reading.used(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_is_whole_when_its_stream_has_ended() {
        let budget = Budget::of(0);
        let (mut body, mut arrived) = begin(&budget).await;
        body.send_data(Bytes::from_static(&[0, 0, 0, 0, 0]), false)
            .unwrap();
        assert!(timeout(PATIENCE, arrived.recv()).await.is_err());
        body.send_data(Bytes::new(), true).unwrap();
        assert!(arrived.recv().await.unwrap().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn pieces_behind_a_message_are_not_waited_for_without_end() {
        let budget = Budget::of(0);
        let (mut body, mut arrived) = begin(&budget).await;
        body.send_data(Bytes::from_static(&[0, 0, 0, 0, 0]), false)
            .unwrap();
        for _ in 0..MAX_LATE_PIECES {
            body.send_data(Bytes::from_static(b"more"), false).unwrap();
        }
        assert!(arrived.recv().await.unwrap().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn one_address_leaves_room_for_the_requests_of_others() {
        let budget = Budget::of(0);
        let (many, other) = (Peer::alone(&budget), Peer::alone(&budget));
        // All but the last byte of the largest message.
        let length = u32::try_from(MAX_MESSAGE_BYTES).unwrap().to_be_bytes();
        let unfinished = [&[0], &length[..], &vec![0; MAX_MESSAGE_BYTES - 1]].concat();
        let mut begun = Vec::new();
        for _ in 0..10 {
            let (mut body, arrived) = begin_from(&many, &budget).await;
            body.send_data(unfinished.clone().into(), false).unwrap();
            settle().await;
            begun.push((body, arrived));
        }
        assert!(budget.reading.used() <= budget.reading.limit() / READING_PART_OF_AN_ADDRESS);
        // It is refused what it does not have, and nobody had to wait for that.
        let (mut body, mut arrived) = begin_from(&other, &budget).await;
        body.send_data(unfinished.into(), false).unwrap();
        body.send_data(Bytes::from_static(&[0]), true).unwrap();
        settle().await;
        assert!(arrived.recv().await.unwrap().is_ok());
        let mut refused = 0;
        for (_body, mut arrived) in begun {
            if let Ok(Some(Err(status))) = timeout(2 * ROOM_PATIENCE, arrived.recv()).await {
                assert_eq!(status.code(), tonic::Code::ResourceExhausted);
                refused += 1;
            }
        }
        assert!(refused >= 8, "{refused} of 10");
    }
}
