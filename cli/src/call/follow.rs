//! Reads events across lost connections: each event once, in order, from a position.

use swarm_proto::{
    call::CallFailure,
    v1::{AsOf, Event, GetStatusRequest, StreamEventsRequest},
};
use tonic::{Code, Streaming};

use super::{client::Client, patience::Patience};

/// A reader of events that resumes at its position after a loss.
pub struct Follower<'client> {
    client: &'client Client,
    /// The request for the next stream. It begins after the last event that was returned.
    request: StreamEventsRequest,
    stream: Option<Streaming<Event>>,
    patience: Patience,
    /// The events still wanted; `None` without a limit.
    left: Option<u64>,
}

impl<'client> Follower<'client> {
    /// A reader of the requested events. Without `from_seq` it begins now.
    ///
    /// # Errors
    ///
    /// When the coordinator does not tell the current position.
    pub async fn open(
        client: &'client Client,
        mut request: StreamEventsRequest,
    ) -> Result<Follower<'client>, Box<CallFailure>> {
        if request.from_seq.is_none() {
            // A stream that is lost before its first event must still begin at this moment.
            let status = client.call(GetStatusRequest {}).await?;
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

    /// The seq at which the next stream would begin.
    pub fn position(&self) -> u64 {
        self.request.from_seq.unwrap_or_default()
    }

    /// The next event, or `None` at the end. A bare position, an event without a kind, may come at any time.
    ///
    /// # Errors
    ///
    /// When the coordinator refuses, or stays away for too long.
    pub async fn next(&mut self) -> Result<Option<Event>, Box<CallFailure>> {
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
                Ok(None) => Box::new(CallFailure::Lost {
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

    async fn receive(&mut self) -> Result<Option<Event>, Box<CallFailure>> {
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
            .map_err(|status| Box::new(CallFailure::of(&status)))
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
