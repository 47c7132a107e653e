//! Connections as they come in: a bounded number, in all and from each address, and each has to begin to
//! speak HTTP/2 soon. Streams that stay open are counted likewise.

use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, Ipv6Addr},
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    time::{Sleep, sleep},
};

use super::life::Traffic;
use crate::{
    core::budget::{Budget, Part, Waited},
    machine::clock::Seldom,
    program::limits::{
        ACCEPT_PAUSE, MAX_CONNECTIONS_PER_ADDRESS, MAX_STREAMS_PER_ADDRESS, MAX_STREAMS_PER_CONNECTION,
        PREFACE_PATIENCE,
    },
};

/// Bytes that a client of HTTP/2 sends unasked: the preface and an empty SETTINGS frame.
const OPENING_BYTES: usize = 24 + 9;

/// Where connections are accepted, and how many are open.
pub(super) struct Incoming {
    listener: TcpListener,
    open: Open,
    budget: Budget,
    most: usize,
    /// A failed accept fails again at once: it is told once in a while.
    told: Seldom,
}

impl Incoming {
    /// At most so many connections at the same time.
    pub(super) fn new(listener: TcpListener, budget: Budget, most: usize) -> Incoming {
        Incoming {
            listener,
            open: Open::default(),
            budget,
            most,
            told: Seldom::new(),
        }
    }

    /// The next connection.
    pub(super) async fn next(&self) -> Connection {
        loop {
            match self.listener.accept().await {
                Ok((stream, address)) => {
                    // Over the limit it is closed at once, and its client tries again.
                    if let Some(place) = self.open.connect(address.ip(), &self.budget, self.most) {
                        return Connection::new(stream, place);
                    }
                }
                Err(error) => {
                    if self.told.is_due() {
                        tracing::warn!(%error, "cannot accept a connection");
                    }
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

/// What is open, by address.
#[derive(Clone, Default)]
struct Open(Arc<Mutex<BTreeMap<IpAddr, Counts>>>);

struct Counts {
    connections: usize,
    streams: usize,
    reading: Arc<Part>,
}

impl Open {
    fn connect(&self, address: IpAddr, budget: &Budget, most: usize) -> Option<Place> {
        let address = neighbourhood(address);
        let mut counts = self.counts();
        let all: usize = counts.values().map(|counts| counts.connections).sum();
        let own = counts.get(&address).map_or(0, |counts| counts.connections);
        if all >= most || own >= MAX_CONNECTIONS_PER_ADDRESS {
            return None;
        }
        let counts = counts.entry(address).or_insert_with(|| Counts {
            connections: 0,
            streams: 0,
            reading: budget.reading_of_an_address(),
        });
        counts.connections += 1;
        Some(Place {
            reading: Arc::clone(&counts.reading),
            open: self.clone(),
            address,
        })
    }

    /// Uncounts what has ended.
    fn leave(&self, address: IpAddr, leave: impl FnOnce(&mut Counts)) {
        let mut all = self.counts();
        if let Some(counts) = all.get_mut(&address) {
            leave(counts);
            if counts.connections == 0 && counts.streams == 0 {
                all.remove(&address);
            }
        }
    }

    fn counts(&self) -> MutexGuard<'_, BTreeMap<IpAddr, Counts>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The address as it counts: one machine may have all addresses of a /64.
fn neighbourhood(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        address => address,
    }
}

/// A connection that is open; it counts until this is dropped.
struct Place {
    open: Open,
    address: IpAddr,
    reading: Arc<Part>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.open.leave(self.address, |counts| counts.connections -= 1);
    }
}

/// Who is on the other side of a connection: what its calls share.
pub(super) struct Peer {
    open: Open,
    address: IpAddr,
    /// Its open streams, which count for its address, too.
    streams: AtomicUsize,
    /// What is arriving from its address.
    pub(super) reading: Arc<Part>,
    /// What it takes from the wire, and whether it is given up because others need the memory of what it does not take.
    pub(super) wire: Arc<Waited>,
}

/// An open stream; it counts until this is dropped.
pub(super) struct StreamPlace(Arc<Peer>);

impl Peer {
    fn new(place: &Place, wire: Arc<Waited>) -> Peer {
        Peer {
            open: place.open.clone(),
            address: place.address,
            streams: AtomicUsize::new(0),
            reading: Arc::clone(&place.reading),
            wire,
        }
    }

    /// A place for one more stream, if there is one.
    pub(super) fn enter(self: &Arc<Peer>) -> Option<StreamPlace> {
        let mut all = self.open.counts();
        // A call may outlive its connection for a moment, and needs no stream then.
        let counts = all.get_mut(&self.address)?;
        if counts.streams >= MAX_STREAMS_PER_ADDRESS
            || self.streams.load(Ordering::Relaxed) >= MAX_STREAMS_PER_CONNECTION
        {
            return None;
        }
        counts.streams += 1;
        self.streams.fetch_add(1, Ordering::Relaxed);
        Some(StreamPlace(Arc::clone(self)))
    }

    /// One that is nobody's neighbour.
    #[cfg(test)]
    pub(super) fn alone(budget: &Budget) -> Arc<Peer> {
        let place = Open::default().connect(IpAddr::from([10, 0, 0, 1]), budget, 1);
        Arc::new(Peer::new(&place.unwrap(), Arc::default()))
    }
}

impl Drop for StreamPlace {
    fn drop(&mut self) {
        let peer = &self.0;
        peer.streams.fetch_sub(1, Ordering::Relaxed);
        peer.open.leave(peer.address, |counts| counts.streams -= 1);
    }
}

/// A connection that is closed when it does not begin to speak.
pub(super) struct Connection {
    stream: TcpStream,
    /// Until it has said enough.
    opening: Option<Opening>,
    traffic: Arc<Traffic>,
    place: Place,
}

struct Opening {
    patience: Pin<Box<Sleep>>,
    bytes: usize,
}

impl Connection {
    fn new(stream: TcpStream, place: Place) -> Connection {
        // Only slower without it.
        let _ = stream.set_nodelay(true);
        let opening = Opening {
            patience: Box::pin(sleep(PREFACE_PATIENCE)),
            bytes: 0,
        };
        Connection {
            stream,
            opening: Some(opening),
            traffic: Arc::default(),
            place,
        }
    }

    /// Who is on the other side.
    pub(super) fn peer(&self) -> Arc<Peer> {
        Arc::new(Peer::new(&self.place, self.traffic.wire()))
    }

    /// What has come and gone on it.
    pub(super) fn traffic(&self) -> Arc<Traffic> {
        Arc::clone(&self.traffic)
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(cx, buffer);
        let bytes = buffer.filled().len() - before;
        this.traffic.note_read(bytes);
        let Some(opening) = &mut this.opening else {
            return read;
        };
        if read.is_pending() {
            ready!(opening.patience.as_mut().poll(cx));
            return Poll::Ready(Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "it did not begin to speak HTTP/2",
            )));
        }
        opening.bytes += bytes;
        if opening.bytes >= OPENING_BYTES {
            this.opening = None;
        }
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.traffic.note_write(&written);
        written
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(cx, buffers);
        this.traffic.note_write(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_says_nothing_is_closed() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let incoming = Incoming::new(listener, Budget::default(), 1);
        let _silent = TcpStream::connect(address).await.unwrap();
        let mut connection = incoming.next().await;
        let error = connection.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn what_a_peer_takes_from_the_wire_is_known() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let incoming = Incoming::new(listener, Budget::default(), 1);
        let _other = TcpStream::connect(address).await.unwrap();
        let mut connection = incoming.next().await;
        let peer = connection.peer();
        connection.write_all(b"answer").await.unwrap();
        assert_eq!(peer.wire.taken(), 6);
    }

    #[test]
    fn one_address_cannot_take_all_connections_and_all_take_no_more_than_there_may_be() {
        let open = Open::default();
        let most = MAX_CONNECTIONS_PER_ADDRESS + 1;
        let connect = |last: u8| open.connect(IpAddr::from([10, 0, 0, last]), &Budget::of(0), most);
        let places: Vec<Place> = std::iter::from_fn(|| connect(1)).collect();
        assert_eq!(places.len(), MAX_CONNECTIONS_PER_ADDRESS);
        let other = connect(2).unwrap();
        assert!(connect(3).is_none());
        drop((places, other));
        assert!(connect(1).is_some());
        assert!(open.counts().is_empty(), "nothing is kept of who has left");
    }

    #[test]
    fn addresses_that_one_machine_may_have_count_as_one() {
        let of = |text: &str| neighbourhood(text.parse().unwrap());
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::7"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:10.0.0.1"), of("10.0.0.1"));
        assert_ne!(of("10.0.0.1"), of("10.0.0.2"));
    }

    #[test]
    fn streams_count_for_their_connection_and_for_its_address() {
        let open = Open::default();
        let connected = open.connect(IpAddr::from([10, 0, 0, 1]), &Budget::of(0), 1);
        let connected = connected.unwrap();
        let peer = || Arc::new(Peer::new(&connected, Arc::default()));
        let one = peer();
        let mut places: Vec<StreamPlace> = std::iter::from_fn(|| one.enter()).collect();
        assert_eq!(places.len(), MAX_STREAMS_PER_CONNECTION);
        while let Some(place) = peer().enter() {
            places.push(place);
        }
        assert_eq!(places.len(), MAX_STREAMS_PER_ADDRESS);
        drop(places);
        assert!(one.enter().is_some());
        drop(connected);
        assert!(one.enter().is_none() && open.counts().is_empty());
    }
}
