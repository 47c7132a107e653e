//! Reads events across lost connections: each one once, in order, from a position.

use swarm_proto::{
    reason::Failure,
    v1::{AsOf, Event, GetStatusRequest, StreamEventsRequest},
};
use tonic::{Code, Streaming};

use super::{client::Client, patience::Patience};

/// A reader of the journal that comes back to where it was.
pub struct Follower<'client> {
    client: &'client Client,
    /// What to ask for after a loss: it always begins behind the last event that was given out.
    request: StreamEventsRequest,
    stream: Option<Streaming<Event>>,
    patience: Patience,
    /// How many more events are wanted; absent without a limit.
    left: Option<u64>,
}

impl<'client> Follower<'client> {
    /// A reader of what the request asks for. Without `from_seq` it begins with what happens from now on.
    ///
    /// # Errors
    ///
    /// When the coordinator cannot be asked where now is.
    pub async fn open(
        client: &'client Client,
        mut request: StreamEventsRequest,
    ) -> Result<Follower<'client>, Box<Failure>> {
        if request.from_seq.is_none() {
            // A stream that is lost before its first event must not begin later than it would have.
            let status = client.get_status(GetStatusRequest {}).await?;
            let AsOf { history, seq } = status.as_of.unwrap_or_default();
            request.history = history;
            request.from_seq = Some(seq + 1);
        }
        let left = (request.limit > 0).then_some(request.limit);
        Ok(Follower {
            client,
            request,
            stream: None,
            patience: client.patience(),
            left,
        })
    }

    /// The seq at which it would go on.
    pub fn position(&self) -> u64 {
        self.request.from_seq.unwrap_or_default()
    }

    /// The next event; nothing at the end of what was asked for. A bare position (without a kind) may come at any time.
    ///
    /// # Errors
    ///
    /// When the coordinator refuses, or stays away for too long.
    pub async fn next(&mut self) -> Result<Option<Event>, Box<Failure>> {
        loop {
            if self.left == Some(0) {
                return Ok(None);
            }
            let failure = match self.receive().await {
                Ok(Some(event)) if event.seq < self.position() => continue,
                Ok(Some(event)) => {
                    self.advance(&event);
                    return Ok(Some(event));
                }
                Ok(None) if !self.request.follow => return Ok(None),
                Ok(None) => Box::new(Failure::Lost {
                    code: Code::Unavailable,
                    message: "the stream of events ended".to_owned(),
                    unsent: false,
                }),
                Err(failure) => failure,
            };
            self.stream = None;
            self.client.pause_after(failure, &mut self.patience).await?;
        }
    }

    async fn receive(&mut self) -> Result<Option<Event>, Box<Failure>> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            None => {
                self.request.limit = self.left.unwrap_or(0);
                self.stream
                    .insert(self.client.stream_events(self.request.clone()).await?)
            }
        };
        stream
            .message()
            .await
            .map_err(|status| Box::new(Failure::of(&status)))
    }

    fn advance(&mut self, event: &Event) {
        self.client.answered(&mut self.patience);
        self.request.from_seq = Some(event.seq + 1);
        if let Some(as_of) = &event.as_of {
            self.request.history.clone_from(&as_of.history);
        }
        if !event.kind.is_empty() {
            self.left = self.left.map(|left| left - 1);
        }
    }
}
