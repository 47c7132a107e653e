//! Reads all events, and after each loss of the stream goes on behind the last one.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use swarm_proto::v1::{Event, StreamEventsRequest, event::Payload};
use tokio::{sync::watch, time::timeout};

use super::{
    caller::Caller,
    history::{Connection, Reader},
};
use crate::harness::seeded::Seeded;

/// A stream that is silent for so long may be dead.
const SILENCE: Duration = Duration::from_millis(800);
/// Between two tries to open one.
const PAUSE: Duration = Duration::from_millis(40);

/// The tasks as far as a reader has followed the events.
#[derive(Default)]
pub(crate) struct Progress {
    /// Tasks that have not ended.
    open: AtomicI64,
    succeeded: AtomicU64,
}

impl Progress {
    /// The number of tasks that have not ended.
    pub(crate) fn open(&self) -> i64 {
        self.open.load(Ordering::Relaxed)
    }

    /// The number of tasks that have succeeded.
    pub(crate) fn succeeded(&self) -> u64 {
        self.succeeded.load(Ordering::Relaxed)
    }

    fn note(&self, event: &Event) {
        let open = match &event.payload {
            Some(Payload::TaskSubmitted(_) | Payload::TaskRetried(_)) => 1,
            Some(Payload::TaskSucceeded(_)) => {
                self.succeeded.fetch_add(1, Ordering::Relaxed);
                -1
            }
            Some(Payload::TaskFailed(_) | Payload::TaskCancelled(_) | Payload::TaskSkipped(_)) => -1,
            _ => 0,
        };
        self.open.fetch_add(open, Ordering::Relaxed);
    }
}

/// Reads until it is told to stop. A restless one leaves a stream by itself now and then.
pub(crate) async fn read(
    caller: Caller,
    mut restless: Option<Seeded>,
    progress: Arc<Progress>,
    mut stop: watch::Receiver<bool>,
) -> Reader {
    let mut reader = Reader {
        name: caller.name().to_owned(),
        connections: Vec::new(),
    };
    let (mut next, mut history) = (0, String::new());
    while !*stop.borrow() {
        let request = StreamEventsRequest {
            history: history.clone(),
            from_seq: Some(next),
            follow: true,
            ..Default::default()
        };
        let mut connection = Connection {
            from_seq: next,
            events: Vec::new(),
        };
        if let Some(mut stream) = caller.stream(request).await {
            let most = restless
                .as_mut()
                .map_or(usize::MAX, |chance| 1 + chance.index(200));
            while connection.events.len() < most {
                let message = tokio::select! {
                    message = timeout(SILENCE, stream.message()) => message,
                    _ = stop.changed() => break,
                };
                let Ok(Ok(Some(event))) = message else { break };
                // A bare position.
                if event.kind.is_empty() {
                    continue;
                }
                progress.note(&event);
                next = event.seq + 1;
                if let Some(as_of) = &event.as_of {
                    history.clone_from(&as_of.history);
                }
                connection.events.push(event);
            }
        }
        if !connection.events.is_empty() {
            reader.connections.push(connection);
        }
        let _ = timeout(PAUSE, stop.wait_for(|&stop| stop)).await;
    }
    reader
}
