//! A wire between programs, which can be cut, slowed, held and closed in one direction. It carries bytes from a port of
//! its own to the coordinator's and back.

use std::{sync::Arc, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::watch,
    task::JoinSet,
    time::timeout,
};

/// Connections leave from here: a socket that connects to a free port of its own address may meet itself, and then
/// the coordinator cannot have its port back.
const SOURCE: &str = "127.0.0.2:0";
const PIECE: usize = 16 * 1024;

/// From an agent or client to the coordinator, or back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Up,
    Down,
}

/// The faults of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Flow {
    /// Each piece waits so long.
    delay: Duration,
    /// Nothing goes on.
    is_held: bool,
    /// Connections before this one are closed this way.
    closed_below: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct State {
    up: Flow,
    down: Flow,
    /// Connections before this one are over.
    cut_below: u64,
    /// The next connection.
    next: u64,
}

impl State {
    fn flow(&self, way: Way) -> Flow {
        match way {
            Way::Up => self.up,
            Way::Down => self.down,
        }
    }

    fn flow_mut(&mut self, way: Way) -> &mut Flow {
        match way {
            Way::Up => &mut self.up,
            Way::Down => &mut self.down,
        }
    }
}

/// See the module. It goes on as long as its runtime.
pub(crate) struct Wire {
    address: String,
    state: Arc<watch::Sender<State>>,
}

impl Wire {
    /// Lays one to this address.
    pub(crate) async fn to(coordinator: &str) -> Wire {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let state = Arc::new(watch::Sender::new(State::default()));
        tokio::spawn(serve(listener, coordinator.to_owned(), state.clone()));
        Wire { address, state }
    }

    /// The address to connect to in place of the coordinator's.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Ends every connection.
    pub(crate) fn cut(&self) {
        self.state.send_modify(|state| state.cut_below = state.next);
    }

    /// Closes every connection one way; the other way goes on.
    pub(crate) fn close(&self, way: Way) {
        self.state.send_modify(|state| {
            let next = state.next;
            state.flow_mut(way).closed_below = next;
        });
    }

    /// Lets each piece that goes this way wait from now on.
    pub(crate) fn delay(&self, way: Way, delay: Duration) {
        self.state.send_modify(|state| state.flow_mut(way).delay = delay);
    }

    /// Lets nothing go this way from now on. What comes waits.
    pub(crate) fn hold(&self, way: Way) {
        self.state.send_modify(|state| state.flow_mut(way).is_held = true);
    }

    /// Lets everything go on as it should.
    pub(crate) fn mend(&self) {
        self.state.send_modify(|state| {
            for way in [Way::Up, Way::Down] {
                let flow = state.flow_mut(way);
                flow.is_held = false;
                flow.delay = Duration::ZERO;
            }
        });
    }
}

async fn serve(listener: TcpListener, coordinator: String, state: Arc<watch::Sender<State>>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((near, _)) = listener.accept().await else {
            continue;
        };
        let mut number = 0;
        state.send_modify(|state| {
            number = state.next;
            state.next += 1;
        });
        connections.spawn(carry(near, coordinator.clone(), number, state.clone()));
        while connections.try_join_next().is_some() {}
    }
}

/// One connection, to its end.
async fn carry(near: TcpStream, coordinator: String, number: u64, state: Arc<watch::Sender<State>>) {
    let Ok(far) = connect(&coordinator).await else {
        return;
    };
    // The wire alone decides how long bytes wait.
    let _ = (near.set_nodelay(true), far.set_nodelay(true));
    let mut cut = state.subscribe();
    let (from_near, to_near) = near.into_split();
    let (from_far, to_far) = far.into_split();
    let both = async {
        tokio::join!(
            pump(from_near, to_far, Way::Up, number, state.subscribe()),
            pump(from_far, to_near, Way::Down, number, state.subscribe()),
        )
    };
    tokio::select! {
        _ = both => {}
        _ = cut.wait_for(|state| state.cut_below > number) => {}
    }
}

async fn connect(coordinator: &str) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SOURCE.parse().expect("an address of the loopback"))?;
    let address = coordinator
        .parse()
        .expect("the coordinator says where it listens");
    socket.connect(address).await
}

async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    way: Way,
    number: u64,
    mut state: watch::Receiver<State>,
) {
    let mut piece = vec![0; PIECE];
    loop {
        let length = tokio::select! {
            read = from.read(&mut piece) => read.unwrap_or(0),
            _ = state.wait_for(|state| state.flow(way).closed_below > number) => 0,
        };
        let opened = state.wait_for(|state| !state.flow(way).is_held).await;
        let Ok(delay) = opened.map(|state| state.flow(way).delay) else {
            return;
        };
        if !delay.is_zero() {
            // Ends early when the wire is mended.
            let mended = state.wait_for(|state| state.flow(way).delay.is_zero());
            let _ = timeout(delay, mended).await;
        }
        if length == 0 || to.write_all(&piece[..length]).await.is_err() {
            let _ = to.shutdown().await;
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::PATIENCE;

    /// Both ends of a connection over a wire.
    async fn connected() -> (Wire, TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let wire = Wire::to(&listener.local_addr().unwrap().to_string()).await;
        let near = TcpStream::connect(wire.address()).await.unwrap();
        let (far, _) = timeout(PATIENCE, listener.accept()).await.unwrap().unwrap();
        (wire, near, far)
    }

    async fn read(from: &mut TcpStream) -> Vec<u8> {
        let mut piece = [0; 8];
        let length = timeout(PATIENCE, from.read(&mut piece))
            .await
            .unwrap()
            .unwrap_or(0);
        piece[..length].to_vec()
    }

    #[tokio::test]
    async fn a_wire_carries_both_ways_until_it_is_cut() {
        let (wire, mut near, mut far) = connected().await;
        near.write_all(b"up").await.unwrap();
        assert_eq!(read(&mut far).await, b"up");
        far.write_all(b"down").await.unwrap();
        assert_eq!(read(&mut near).await, b"down");
        wire.cut();
        assert_eq!((read(&mut near).await, read(&mut far).await), (vec![], vec![]));
    }

    #[tokio::test]
    async fn what_is_held_one_way_arrives_when_the_wire_is_mended() {
        let (wire, mut near, mut far) = connected().await;
        wire.hold(Way::Up);
        near.write_all(b"up").await.unwrap();
        far.write_all(b"down").await.unwrap();
        assert_eq!(read(&mut near).await, b"down");
        let nothing = timeout(Duration::from_millis(50), read(&mut far)).await;
        assert!(nothing.is_err(), "it has come through: {nothing:?}");
        wire.mend();
        assert_eq!(read(&mut far).await, b"up");
    }

    #[tokio::test]
    async fn a_wire_that_is_closed_one_way_goes_on_the_other_way() {
        let (wire, mut near, mut far) = connected().await;
        wire.close(Way::Up);
        assert_eq!(read(&mut far).await, b"");
        far.write_all(b"down").await.unwrap();
        assert_eq!(read(&mut near).await, b"down");
    }
}
