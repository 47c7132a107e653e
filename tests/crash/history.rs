//! What was seen from outside while programs died: every call with its answer, every event in the order in which a
//! reader was sent it, and every line that a command wrote. The checker knows nothing else.

use std::time::Duration;

use swarm_proto::v1::{
    CancelTasksRequest, CancelTasksResponse, ClaimRequest, ClaimResponse, CompleteRequest, CompleteResponse,
    Event, GetTaskRequest, GetTaskResponse, HeartbeatRequest, HeartbeatResponse, RegisterAgentRequest,
    RegisterAgentResponse, ReleaseLeaseRequest, ReleaseLeaseResponse, RetryTasksRequest, RetryTasksResponse,
    SubmitTasksRequest, SubmitTasksResponse, Task,
};

/// Everything that was seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    /// The calls of clients and agents, in the order of the answers.
    pub(crate) calls: Vec<Call>,
    /// The events that each reader was sent.
    pub(crate) readers: Vec<Reader>,
    /// The lines of real agents' commands, in the order in which they reached the file.
    pub(crate) lines: Vec<Line>,
    /// Every event, read from the first one when nothing more happened.
    pub(crate) log: Vec<Event>,
    /// Every task, as it was read then.
    pub(crate) tasks: Vec<Task>,
}

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// Who asked.
    pub(crate) client: String,
    /// When it was sent, since the beginning.
    pub(crate) called: Duration,
    /// When the answer was there, or was given up.
    pub(crate) returned: Duration,
    /// The request and its answer.
    pub(crate) exchange: Exchange,
}

/// The answer to a request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Answer<T> {
    /// It was done, and this was said.
    Given(T),
    /// The coordinator refused it for this reason: nothing was done.
    Refused(String),
    /// The answer was lost, or the request was: it may have been done or not.
    Unknown,
}

impl<T> Answer<T> {
    /// The response, when there was one.
    pub(crate) fn given(&self) -> Option<&T> {
        match self {
            Answer::Given(response) => Some(response),
            Answer::Refused(_) | Answer::Unknown => None,
        }
    }
}

/// A request and its answer.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "there are some thousands, and most of them are claims and reports"
)]
pub(crate) enum Exchange {
    Submit(SubmitTasksRequest, Answer<SubmitTasksResponse>),
    Cancel(CancelTasksRequest, Answer<CancelTasksResponse>),
    Retry(RetryTasksRequest, Answer<RetryTasksResponse>),
    Release(ReleaseLeaseRequest, Answer<ReleaseLeaseResponse>),
    Get(GetTaskRequest, Answer<GetTaskResponse>),
    Register(RegisterAgentRequest, Answer<RegisterAgentResponse>),
    Claim(ClaimRequest, Answer<ClaimResponse>),
    Heartbeat(HeartbeatRequest, Answer<HeartbeatResponse>),
    Complete(CompleteRequest, Answer<CompleteResponse>),
}

impl Exchange {
    /// Whether it is a submit that a full disk refused.
    pub(crate) fn is_refused_by_full_disk(&self) -> bool {
        matches!(self, Exchange::Submit(_, Answer::Refused(reason)) if reason == "DISK_FULL")
    }

    /// The journal position that the answer reflects: its history and seq. None when there was no answer.
    pub(crate) fn as_of(&self) -> Option<(&str, u64)> {
        let as_of = match self {
            Exchange::Submit(_, answer) => answer.given()?.as_of.as_ref(),
            Exchange::Cancel(_, answer) => answer.given()?.as_of.as_ref(),
            Exchange::Retry(_, answer) => answer.given()?.as_of.as_ref(),
            Exchange::Release(_, answer) => answer.given()?.as_of.as_ref(),
            Exchange::Get(_, answer) => answer.given()?.as_of.as_ref(),
            Exchange::Register(_, answer) => answer.given()?.as_of.as_ref(),
            Exchange::Claim(_, answer) => answer.given()?.as_of.as_ref(),
            Exchange::Heartbeat(_, answer) => answer.given()?.as_of.as_ref(),
            Exchange::Complete(_, answer) => answer.given()?.as_of.as_ref(),
        };
        as_of.map(|as_of| (as_of.history.as_str(), as_of.seq))
    }

    /// Its name in a report.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Exchange::Submit(..) => "submit",
            Exchange::Cancel(..) => "cancel",
            Exchange::Retry(..) => "retry",
            Exchange::Release(..) => "release",
            Exchange::Get(..) => "get",
            Exchange::Register(..) => "register",
            Exchange::Claim(..) => "claim",
            Exchange::Heartbeat(..) => "heartbeat",
            Exchange::Complete(..) => "complete",
        }
    }
}

/// Somebody who reads all events and goes on, after each loss of the stream, behind the last one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reader {
    pub(crate) name: String,
    pub(crate) connections: Vec<Connection>,
}

/// One stream of events.
#[derive(Clone, Debug, Default)]
pub(crate) struct Connection {
    /// The first seq that was asked for.
    pub(crate) from_seq: u64,
    /// The events that were sent, in their order.
    pub(crate) events: Vec<Event>,
}

/// A line that a command wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) task: String,
    pub(crate) attempt: u32,
    pub(crate) moment: Moment,
}

/// When a command wrote its line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// First of all.
    Start,
    /// Last of all.
    End,
}

impl Line {
    /// Reads what the commands of [`super::load`] write.
    pub(crate) fn parse(line: &str) -> Option<Line> {
        let mut words = line.split(' ');
        let (task, attempt, moment) = (words.next()?, words.next()?, words.next()?);
        let moment = match moment {
            "start" => Moment::Start,
            "end" => Moment::End,
            _ => return None,
        };
        Some(Line {
            task: task.to_owned(),
            attempt: attempt.parse().ok()?,
            moment,
        })
    }
}
