//! Signs of life of a connection: an answered ping, or bytes that arrive.
//!
//! On a slow uplink the answer to a ping stands behind what the peer sends, for as long as that takes. Bytes are no
//! sign while nothing of ours leaves, though: a peer that sends and takes nothing would keep its answers for ever.

use std::{
    io,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::Poll,
    time::Duration,
};

use h2::{Ping, PingPong};
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::core::budget::Waited;

/// A connection is asked for a sign of life after this, and closed when there is none. A peer that takes nothing from
/// the wire never gets the question.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(20);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// What has come and gone on a connection.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    arrived: AtomicU64,
    /// The peer, which takes what leaves.
    wire: Arc<Waited>,
    is_stuck: AtomicBool,
}

impl Traffic {
    /// The peer, as one that takes bytes from the wire.
    pub(super) fn wire(&self) -> Arc<Waited> {
        Arc::clone(&self.wire)
    }

    /// Notes how many bytes a read has brought.
    pub(super) fn note_read(&self, bytes: usize) {
        self.arrived.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Notes what a write has come to.
    pub(super) fn note_write(&self, written: &Poll<io::Result<usize>>) {
        self.is_stuck.store(written.is_pending(), Ordering::Relaxed);
        if let Poll::Ready(Ok(bytes)) = written {
            self.wire.note_taken(*bytes);
        }
    }

    fn seen(&self) -> Seen {
        Seen {
            arrived: self.arrived.load(Ordering::Relaxed),
            left: self.wire.taken(),
            is_stuck: self.is_stuck.load(Ordering::Relaxed),
        }
    }
}

/// A look at the traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    arrived: u64,
    left: u64,
    is_stuck: bool,
}

impl Seen {
    /// Whether there was a sign of life since an earlier look.
    fn shows_life_since(self, before: Seen) -> bool {
        self.arrived > before.arrived && (self.left > before.left || !self.is_stuck)
    }
}

/// Asks again and again for a sign of life; ends when there was none.
pub(super) async fn until_silent(mut ping_pong: PingPong, traffic: Arc<Traffic>) {
    let mut ticks = interval(KEEP_ALIVE_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // An interval begins with a tick at once.
    ticks.reset();
    loop {
        ticks.tick().await;
        let pong = async { ping_pong.ping(Ping::opaque()).await.is_ok() };
        if !is_answered(pong, &traffic).await {
            return;
        }
    }
}

/// Whether a ping is answered, for which this waits while there are other signs of life.
async fn is_answered(pong: impl Future<Output = bool>, traffic: &Traffic) -> bool {
    let mut pong = pin!(pong);
    loop {
        let before = traffic.seen();
        match timeout(KEEP_ALIVE_TIMEOUT, &mut pong).await {
            Ok(is_answered) => return is_answered,
            Err(_) if traffic.seen().shows_life_since(before) => {}
            Err(_) => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::time::{Instant, interval};

    use super::*;

    /// For how long a peer that never answers a ping is waited for while this happens once a second.
    async fn waited(mut each_second: impl FnMut(u64, &Traffic)) -> Duration {
        let traffic = Traffic::default();
        let start = Instant::now();
        let living = async {
            let mut seconds = interval(Duration::from_secs(1));
            for second in 0.. {
                seconds.tick().await;
                each_second(second, &traffic);
            }
        };
        tokio::select! {
            is_answered = is_answered(pending(), &traffic) => assert!(!is_answered),
            () = living => unreachable!("it goes on for ever"),
        }
        start.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_that_arrive_are_a_sign_of_life() {
        assert_eq!(waited(|_, _| {}).await, KEEP_ALIVE_TIMEOUT);
        let sending = waited(|second, traffic| {
            if second < 95 {
                traffic.note_read(1);
            }
        });
        assert_eq!(sending.await, Duration::from_secs(110));
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_of_a_peer_that_takes_nothing_are_none() {
        let deaf = waited(|_, traffic| {
            traffic.note_read(1);
            traffic.note_write(&Poll::Pending);
        });
        assert_eq!(deaf.await, KEEP_ALIVE_TIMEOUT);
        let slow = waited(|second, traffic| {
            traffic.note_read(1);
            traffic.note_write(&if second < 95 {
                Poll::Ready(Ok(1))
            } else {
                Poll::Pending
            });
        });
        assert_eq!(slow.await, Duration::from_secs(110));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_one() {
        assert!(is_answered(async { true }, &Traffic::default()).await);
        assert!(!is_answered(async { false }, &Traffic::default()).await);
    }
}
