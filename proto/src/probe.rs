//! Finds out who answers at an address that does not behave like a coordinator: the
//! transport's own words for a wrong port mean nothing to people.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::{DEFAULT_PORT, channel::Address};

/// The preface of HTTP/2 and an empty SETTINGS frame, with which every client begins.
const GREETING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";

/// The second question, to a peer that closed without a word after the greeting: some servers of HTTP/1.1 close at a
/// version that they do not know.
const REQUEST: &[u8] = b"GET / HTTP/1.0\r\n\r\n";

/// How long a connection may take, and then the first bytes. A peer that speaks HTTP/2 greets at once.
const PATIENCE: Duration = Duration::from_secs(3);

/// The header of a frame; the fourth byte is its type.
const FRAME_HEADER_BYTES: usize = 9;
const SETTINGS: u8 = 4;

/// The first bytes of the two TLS records with which a server answers a greeting without TLS.
const TLS_ALERT: u8 = 0x15;
const TLS_HANDSHAKE: u8 = 0x16;

/// Who answers at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// It speaks HTTP/2, as a coordinator does.
    Http2,
    /// It speaks HTTP/1.1, as a web server or a dashboard does.
    Http1,
    /// It speaks TLS.
    Tls,
    /// It takes connections and says nothing.
    Silent,
    /// It says something else.
    Other,
    /// No connection can be made, or the peer closes it without a word, as a coordinator does that stops or is full.
    Unknown,
}

impl Peer {
    /// Why this peer is no coordinator, for people; nothing when it may be one, or one may come.
    pub fn fault(self) -> Option<&'static str> {
        match self {
            Peer::Http1 => Some("that port speaks HTTP/1.1, not gRPC"),
            Peer::Tls => Some("that port speaks TLS, and this program speaks plaintext"),
            Peer::Silent => Some("something takes connections there and does not answer"),
            Peer::Other => Some("what answers there does not speak gRPC"),
            Peer::Http2 | Peer::Unknown => None,
        }
    }

    /// The advice that goes with the fault.
    pub fn help(self) -> Option<String> {
        match self {
            Peer::Http1 => Some(format!(
                "is that a dashboard or a web server? the usual port is {DEFAULT_PORT}"
            )),
            Peer::Other => Some(format!("the usual port is {DEFAULT_PORT}")),
            Peer::Tls => Some(format!(
                "name the coordinator's own port, which is usually {DEFAULT_PORT}, not that of a proxy with TLS"
            )),
            Peer::Silent => Some(format!(
                "is that a coordinator, and does it hang? the usual port is {DEFAULT_PORT}"
            )),
            Peer::Http2 | Peer::Unknown => None,
        }
    }
}

/// Greets the peer at the address and reads the first bytes of its answer.
///
/// Takes at most four times three seconds: a peer that closes without a word is asked once more, as a web server is.
pub async fn probe(address: &Address) -> Peer {
    probe_within(PATIENCE, address).await
}

async fn probe_within(patience: Duration, address: &Address) -> Peer {
    let Some(stream) = connected(patience, address).await else {
        return Peer::Unknown;
    };
    let peer = answer_to(GREETING, patience, stream).await;
    if peer == Peer::Unknown
        && let Some(stream) = connected(patience, address).await
        // Another answer, such as the frame with which a coordinator leaves, says no more than the silence before.
        && answer_to(REQUEST, patience, stream).await == Peer::Http1
    {
        return Peer::Http1;
    }
    peer
}

async fn connected(patience: Duration, address: &Address) -> Option<TcpStream> {
    let connecting = TcpStream::connect(address.to_string());
    timeout(patience, connecting).await.ok()?.ok()
}

/// Sends these bytes and judges the first bytes that come back.
async fn answer_to(said: &[u8], patience: Duration, mut stream: TcpStream) -> Peer {
    let mut heard = [0; FRAME_HEADER_BYTES];
    let mut length = 0;
    let conversation = async {
        stream.write_all(said).await?;
        while length < heard.len() {
            match stream.read(&mut heard[length..]).await? {
                0 => break,
                read => length += read,
            }
        }
        std::io::Result::Ok(())
    };
    let ended = timeout(patience, conversation).await;
    match (ended, length) {
        (Err(_elapsed), 0) => Peer::Silent,
        (Ok(_), 0) => Peer::Unknown,
        // A connection that broke may have brought enough bytes before.
        _ => recognise(&heard[..length]),
    }
}

fn recognise(heard: &[u8]) -> Peer {
    match heard {
        [_, _, _, SETTINGS, _, 0, 0, 0, 0] => Peer::Http2,
        [b'H', b'T', b'T', b'P', b'/', ..] => Peer::Http1,
        // Some servers leave out the status line for a version that they do not know.
        [b'<', b'!' | b'h' | b'H', ..] => Peer::Http1,
        [TLS_ALERT | TLS_HANDSHAKE, 3, ..] => Peer::Tls,
        _ => Peer::Other,
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// How a peer is recognised that gives this answer to any greeting.
    async fn probe_of(answer: &'static [u8]) -> Peer {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string().parse().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut greeting = [0; GREETING.len()];
            stream.read_exact(&mut greeting).await.unwrap();
            assert_eq!(greeting, GREETING);
            stream.write_all(answer).await.unwrap();
        });
        probe(&address).await
    }

    #[tokio::test]
    async fn peers_are_recognised_by_their_first_bytes() {
        for (answer, peer) in [
            (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], Peer::Http1),
            (b"HTTP/1.0 505 No\r\n\r\n", Peer::Http1),
            (b"<!DOCTYPE HTML>\n<html>", Peer::Http1),
            (b"\x15\x03\x01\x00\x02\x02\x46", Peer::Tls),
            (b"\x00\x00\x12\x04\x00\x00\x00\x00\x00rest", Peer::Http2),
            (b"SSH-2.0-x\r\n", Peer::Other),
            (b"", Peer::Unknown),
        ] {
            assert_eq!(probe_of(answer).await, peer, "{answer:?}");
        }
    }

    #[tokio::test]
    async fn a_web_server_that_hangs_up_at_a_version_it_does_not_know_is_asked_as_one() {
        for (second, peer) in [
            (&b"HTTP/1.1 404 Not Found\r\n\r\n"[..], Peer::Http1),
            (b"\x00\x00\x12\x04\x00\x00\x00\x00\x00", Peer::Unknown),
            (b"", Peer::Unknown),
        ] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address: Address = listener.local_addr().unwrap().to_string().parse().unwrap();
            tokio::spawn(async move {
                for (asked, answer) in [(GREETING, &b""[..]), (REQUEST, second)] {
                    let (mut stream, _) = listener.accept().await.unwrap();
                    let mut heard = vec![0; asked.len()];
                    stream.read_exact(&mut heard).await.unwrap();
                    assert_eq!(heard, asked);
                    stream.write_all(answer).await.unwrap();
                }
            });
            assert_eq!(probe(&address).await, peer, "{second:?}");
        }
    }

    #[tokio::test]
    async fn a_peer_that_says_nothing_is_silent() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address: Address = listener.local_addr().unwrap().to_string().parse().unwrap();
        // The system takes the connection; nobody ever accepts it.
        assert_eq!(
            probe_within(Duration::from_millis(200), &address).await,
            Peer::Silent
        );
        drop(listener);
        assert_eq!(probe(&address).await, Peer::Unknown);
    }
}
