//! A client of HTTP/2 that does what no library would: it opens streams and sends frames as a test says, takes
//! nothing, and keeps within the flow control that would end it otherwise.

use std::{
    collections::BTreeMap,
    io::{self, Read as _, Write as _},
    net::TcpStream,
    sync::{Arc, Condvar, Mutex, MutexGuard},
    thread,
};

use super::PATIENCE;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;

const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// The largest frame that every peer takes, and the window with which every connection begins.
const MAX_FRAME: usize = 16_384;
const FIRST_WINDOW: i64 = 65_535;

/// A connection; its reader answers pings and notes what comes, until the other side closes.
pub(crate) struct RawHttp2 {
    stream: Mutex<TcpStream>,
    seen: Arc<(Mutex<Seen>, Condvar)>,
    next: Mutex<u32>,
}

/// What has come.
#[derive(Default)]
struct Seen {
    /// How much may be sent on the connection, and how much more or less than at the beginning on each stream.
    connection: i64,
    streams: BTreeMap<u32, i64>,
    /// How much may be sent on a new stream.
    begin: i64,
    /// Streams with the headers of an answer, and those that were reset.
    answered: usize,
    reset: usize,
    closed: bool,
}

impl RawHttp2 {
    /// Connects; the other side may send so many bytes on each stream.
    pub(crate) fn connect(address: &str, window: u32) -> RawHttp2 {
        let (client, reader) = RawHttp2::open(address, window);
        let (seen, answers) = (Arc::clone(&client.seen), reader.try_clone().unwrap());
        thread::spawn(move || {
            // Ends when the other side closes, or the test does.
            let _ = read(reader, answers, &seen);
            seen.0.lock().unwrap().closed = true;
            seen.1.notify_all();
        });
        client
    }

    /// Connects, lets the other side send as much as it likes, and never takes a byte from the wire.
    pub(crate) fn deaf(address: &str) -> RawHttp2 {
        let (client, _) = RawHttp2::open(address, 0x7fff_ffff);
        client.send(&frame(WINDOW_UPDATE, 0, 0, &0x3fff_ffff_u32.to_be_bytes()));
        client
    }

    fn open(address: &str, window: u32) -> (RawHttp2, TcpStream) {
        let stream = TcpStream::connect(address).unwrap();
        let reader = stream.try_clone().unwrap();
        let first = Seen {
            connection: FIRST_WINDOW,
            begin: FIRST_WINDOW,
            ..Seen::default()
        };
        let seen = Arc::new((Mutex::new(first), Condvar::new()));
        let client = RawHttp2 {
            stream: Mutex::new(stream),
            seen,
            next: Mutex::new(1),
        };
        let mut settings = vec![0, 4];
        settings.extend(window.to_be_bytes());
        let mut opening = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        opening.extend(frame(SETTINGS, 0, 0, &settings));
        client.send(&opening);
        (client, reader)
    }

    /// Begins a call of a method such as `TaskService/ListTasks`; gives its stream.
    pub(crate) fn begin(&self, method: &str) -> u32 {
        let path = format!("/swarm.v1.{method}");
        self.begin_path(&path)
    }

    /// The same by the whole path.
    pub(crate) fn begin_path(&self, path: &str) -> u32 {
        let mut headers = Vec::new();
        for (name, value) in [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", path),
            (":authority", "test"),
            ("content-type", "application/grpc"),
            ("te", "trailers"),
        ] {
            // A literal that is not to be remembered, without Huffman's code.
            headers.push(0);
            for text in [name, value] {
                headers.push(u8::try_from(text.len()).unwrap());
                headers.extend(text.bytes());
            }
        }
        let mut next = self.next.lock().unwrap();
        let stream = *next;
        *next += 2;
        self.send(&frame(HEADERS, END_HEADERS, stream, &headers));
        stream
    }

    /// Sends bytes on a stream as flow control allows; false when the stream or the connection has ended.
    pub(crate) fn data(&self, stream: u32, mut bytes: &[u8], last: bool) -> bool {
        loop {
            let Some(room) = self.room(stream, bytes.len()) else {
                return false;
            };
            let (now, later) = bytes.split_at(room);
            bytes = later;
            let flags = if last && bytes.is_empty() { END_STREAM } else { 0 };
            if !self.send(&frame(DATA, flags, stream, now)) {
                return false;
            }
            if bytes.is_empty() {
                return true;
            }
        }
    }

    /// A whole call, whose answer nobody takes.
    pub(crate) fn call(&self, method: &str, message: &[u8]) {
        let stream = self.begin(method);
        self.data(stream, &with_prefix(message), true);
    }

    /// Sends bytes as they are; false when the other side has closed.
    pub(crate) fn send(&self, bytes: &[u8]) -> bool {
        self.stream.lock().unwrap().write_all(bytes).is_ok()
    }

    /// Waits until so many calls have been answered or ended, or the connection has; gives how many were reset.
    pub(crate) fn wait_until_over(&self, calls: usize) -> usize {
        let (seen, changed) = &*self.seen;
        let over = |seen: &mut Seen| !seen.closed && seen.answered + seen.reset < calls;
        let (seen, timeout) = changed
            .wait_timeout_while(seen.lock().unwrap(), PATIENCE, over)
            .unwrap();
        assert!(
            !timeout.timed_out(),
            "{} answered and {} reset of {calls}",
            seen.answered,
            seen.reset
        );
        seen.reset
    }

    /// How many calls were reset so far.
    pub(crate) fn resets(&self) -> usize {
        self.seen().reset
    }

    /// Whether the other side has closed.
    pub(crate) fn is_closed(&self) -> bool {
        self.seen().closed
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.0.lock().unwrap()
    }

    /// Takes room for at most so many bytes on a stream.
    fn room(&self, stream: u32, wanted: usize) -> Option<usize> {
        if wanted == 0 {
            return Some(0);
        }
        let (seen, changed) = &*self.seen;
        let available = |seen: &Seen| {
            let own = seen.begin + seen.streams.get(&stream).copied().unwrap_or(0);
            own.min(seen.connection)
        };
        let (mut seen, timeout) = changed
            .wait_timeout_while(seen.lock().unwrap(), PATIENCE, |seen| {
                !seen.closed && available(seen) <= 0
            })
            .unwrap();
        if seen.closed || timeout.timed_out() {
            return None;
        }
        let room = usize::try_from(available(&seen))
            .unwrap()
            .min(wanted)
            .min(MAX_FRAME);
        seen.connection -= room as i64;
        *seen.streams.entry(stream).or_default() -= room as i64;
        Some(room)
    }
}

impl Drop for RawHttp2 {
    fn drop(&mut self) {
        let _ = self.stream.lock().unwrap().shutdown(std::net::Shutdown::Both);
    }
}

/// A message as gRPC sends it.
pub(crate) fn with_prefix(message: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0];
    bytes.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
    bytes.extend(message);
    bytes
}

/// A frame.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// Frames that answer a ping which nobody sent.
pub(crate) fn unasked_pongs(count: usize) -> Vec<u8> {
    frame(PING, ACK, 0, b"unasked!").repeat(count)
}

fn read(mut from: TcpStream, mut to: TcpStream, seen: &(Mutex<Seen>, Condvar)) -> io::Result<()> {
    loop {
        let mut head = [0; 9];
        from.read_exact(&mut head)?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let mut payload = vec![0; length];
        from.read_exact(&mut payload)?;
        let (kind, flags) = (head[3], head[4]);
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let number = |at: usize| {
            let bytes = payload.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
            i64::from(bytes.map_or(0, u32::from_be_bytes))
        };
        let mut now = seen.0.lock().unwrap();
        match kind {
            PING if flags & ACK == 0 => to.write_all(&frame(PING, ACK, 0, &payload))?,
            SETTINGS if flags & ACK == 0 => {
                for at in (0..length).step_by(6) {
                    if payload[at..at + 2] == [0, 4] {
                        now.begin = number(at + 2);
                    }
                }
                to.write_all(&frame(SETTINGS, ACK, 0, &[]))?;
            }
            WINDOW_UPDATE if stream == 0 => now.connection += number(0),
            WINDOW_UPDATE => *now.streams.entry(stream).or_default() += number(0),
            HEADERS => now.answered += 1,
            RST_STREAM => {
                now.reset += 1;
                // Whoever sends on it goes on, and is told by the next write.
                *now.streams.entry(stream).or_default() += 1 << 30;
            }
            GOAWAY => return Ok(()),
            _ => {}
        }
        drop(now);
        seen.1.notify_all();
    }
}
