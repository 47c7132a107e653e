//! Reason codes ⇄ [`tonic::Status`]: the only place that knows how errors travel.
//!
//! A refusal is a canonical code plus `google.rpc.ErrorInfo` with the domain
//! `swarm` and a stable reason. A status without it comes from the transport.

mod cause;

use std::{collections::BTreeMap, time::Duration};

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

/// `google.rpc.ErrorInfo.domain` of every status that Swarm sends.
pub const DOMAIN: &str = "swarm";

/// Trailers with more than 16 KiB are refused by clients; details stay far below.
const MAX_DETAILS_BYTES: usize = 6 * 1024;

macro_rules! reasons {
    ($($variant:ident = $name:literal => $code:ident, $doc:literal;)*) => {
        /// A stable word for a refusal, the same in statuses and in [`crate::v1::Refusal`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Reason { $(#[doc = $doc] $variant,)* }

        impl Reason {
            /// Every reason there is.
            pub const ALL: &[Reason] = &[$(Reason::$variant,)*];

            /// The word on the wire.
            pub fn as_str(self) -> &'static str {
                match self { $(Reason::$variant => $name,)* }
            }

            /// The canonical gRPC code it travels with.
            pub fn code(self) -> Code {
                match self { $(Reason::$variant => Code::$code,)* }
            }
        }
    };
}

reasons! {
    FieldInvalid = "FIELD_INVALID" => InvalidArgument, "A field has a value it must not have.";
    DependencyCycle = "DEPENDENCY_CYCLE" => InvalidArgument, "Tasks wait for each other.";
    DependencyUnknown = "DEPENDENCY_UNKNOWN" => InvalidArgument, "A dependency is neither in the request nor known.";
    SpecTooLarge = "SPEC_TOO_LARGE" => InvalidArgument, "A task's spec is over its limit.";
    TaskNotFound = "TASK_NOT_FOUND" => NotFound, "No task has this id.";
    JobNotFound = "JOB_NOT_FOUND" => NotFound, "No job has this id.";
    AgentNotFound = "AGENT_NOT_FOUND" => NotFound, "No agent has this id: register first.";
    TaskExists = "TASK_EXISTS" => AlreadyExists, "The id belongs to a task with another spec.";
    JobExists = "JOB_EXISTS" => AlreadyExists, "The id belongs to a job with other tasks.";
    LeaseLost = "LEASE_LOST" => Aborted, "The attempt belongs to somebody else, or is over.";
    AgentReplaced = "AGENT_REPLACED" => Aborted, "A newer session of the same agent exists.";
    RevisionMismatch = "REVISION_MISMATCH" => Aborted, "The task changed since the caller looked.";
    TaskFinished = "TASK_FINISHED" => FailedPrecondition, "The task has ended.";
    TaskNotFinished = "TASK_NOT_FINISHED" => FailedPrecondition, "The task has not ended.";
    DependencyFailed = "DEPENDENCY_FAILED" => FailedPrecondition, "A dependency did not succeed: retry that one.";
    Busy = "BUSY" => ResourceExhausted, "The coordinator has more to do than it may take on.";
    DiskFull = "DISK_FULL" => ResourceExhausted, "The coordinator's disk is full.";
    EventsTrimmed = "EVENTS_TRIMMED" => OutOfRange, "These events are no longer kept.";
    HistoryChanged = "HISTORY_CHANGED" => OutOfRange, "The position belongs to another history.";
    ShuttingDown = "SHUTTING_DOWN" => Unavailable, "The coordinator is stopping.";
}

impl Reason {
    /// The reason with this word, if there is one.
    pub fn parse(word: &str) -> Option<Reason> {
        Self::ALL.iter().copied().find(|reason| reason.as_str() == word)
    }
}

/// A bad field of a request: its path, such as `tasks[3].spec.priority`, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldFault {
    /// The field's path in the request.
    pub field: String,
    /// What is wrong, for people.
    pub description: String,
}

/// What a status carries besides its code.
#[derive(Clone, Debug, Default)]
pub struct Details {
    /// Bad fields of the request; those that would make the trailer too large are left out.
    pub faults: Vec<FieldFault>,
    /// The caller may try again after this long.
    pub retry_after: Option<Duration>,
    /// Facts for programs, such as `oldest_seq`.
    pub metadata: BTreeMap<&'static str, String>,
}

/// Builds the status for a refusal.
pub fn status(reason: Reason, message: impl Into<String>, details: Details) -> Status {
    let mut carried = ErrorDetails::new();
    let metadata: std::collections::HashMap<String, String> = details
        .metadata
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect();
    carried.set_error_info(reason.as_str(), DOMAIN, metadata);
    if let Some(after) = details.retry_after {
        carried.set_retry_info(Some(after));
    }
    let mut size = 0;
    for fault in details.faults {
        size += fault.field.len() + fault.description.len() + 16;
        if size > MAX_DETAILS_BYTES {
            break;
        }
        carried.add_bad_request_violation(fault.field, fault.description);
    }
    Status::with_error_details(reason.code(), message, carried)
}

/// What a failed call means to its caller.
#[derive(Clone, Debug)]
pub enum Failure {
    /// The coordinator decided: it means what it says.
    Refused {
        /// Why; `None` for a reason newer than this program.
        reason: Option<Reason>,
        /// The reason's word.
        word: String,
        /// For people.
        message: String,
        /// Bad fields of the request.
        faults: Vec<FieldFault>,
        /// The caller may try again after this long.
        retry_after: Option<Duration>,
        /// Facts for programs.
        metadata: BTreeMap<String, String>,
        /// The canonical code.
        code: Code,
    },
    /// The transport failed: whether the request was carried out is unknown.
    Lost {
        /// The code that the transport made up.
        code: Code,
        /// The whole source chain, for people.
        message: String,
        /// The name does not resolve, or nothing at the address takes a connection: the request was never sent.
        unsent: bool,
    },
}

impl Failure {
    /// Reads a status.
    pub fn of(status: &Status) -> Failure {
        let carried = status.get_error_details();
        match carried.error_info() {
            Some(info) if info.domain == DOMAIN => Failure::Refused {
                reason: Reason::parse(&info.reason),
                word: info.reason.clone(),
                message: status.message().to_owned(),
                faults: carried.bad_request().map_or_else(Vec::new, |bad| {
                    bad.field_violations
                        .iter()
                        .map(|fault| FieldFault {
                            field: fault.field.clone(),
                            description: fault.description.clone(),
                        })
                        .collect()
                }),
                retry_after: carried.retry_info().and_then(|info| info.retry_delay),
                metadata: info
                    .metadata
                    .iter()
                    .map(|(key, value)| (key.clone(), value.clone()))
                    .collect(),
                code: status.code(),
            },
            _ => Failure::Lost {
                code: status.code(),
                message: cause::chain(status),
                unsent: cause::is_unsent(status),
            },
        }
    }

    /// Whether the same request may be sent again.
    pub fn is_transient(&self) -> bool {
        match self {
            Failure::Refused {
                code: Code::Unavailable,
                ..
            } => true,
            Failure::Refused {
                code: Code::ResourceExhausted,
                retry_after,
                ..
            } => retry_after.is_some(),
            Failure::Refused { .. } => false,
            // The server answered and knows no such method or cannot read the message: a repeat changes nothing.
            Failure::Lost {
                code: Code::Unimplemented | Code::OutOfRange | Code::InvalidArgument,
                ..
            } => false,
            Failure::Lost { .. } => true,
        }
    }

    /// The reason, when the coordinator gave one that this program knows.
    pub fn reason(&self) -> Option<Reason> {
        match self {
            Failure::Refused { reason, .. } => *reason,
            Failure::Lost { .. } => None,
        }
    }

    /// What happened, for people.
    pub fn message(&self) -> &str {
        match self {
            Failure::Refused { message, .. } | Failure::Lost { message, .. } => message,
        }
    }

    /// Why, in a few plain words that go on a sentence: `the connection broke`. A refusal gives its message.
    pub fn plain_cause(&self) -> String {
        match self {
            Failure::Refused { message, .. } => message.clone(),
            Failure::Lost { message, .. } => cause::plain(message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_survives_the_wire() {
        let sent = status(
            Reason::Busy,
            "too much queued",
            Details {
                faults: vec![FieldFault {
                    field: "tasks".into(),
                    description: "too many".into(),
                }],
                retry_after: Some(Duration::from_secs(2)),
                metadata: BTreeMap::from([("oldest_seq", "7".to_owned())]),
            },
        );
        let Failure::Refused {
            reason,
            faults,
            retry_after,
            metadata,
            ..
        } = Failure::of(&sent)
        else {
            panic!("read as lost");
        };
        assert_eq!(reason, Some(Reason::Busy));
        assert_eq!(faults[0].field, "tasks");
        assert_eq!(retry_after, Some(Duration::from_secs(2)));
        assert_eq!(metadata["oldest_seq"], "7");
        assert!(Failure::of(&sent).is_transient());
    }

    #[test]
    fn many_faults_stay_within_what_clients_accept() {
        let faults = (0..1000)
            .map(|n| FieldFault {
                field: format!("tasks[{n}]"),
                description: "x".repeat(100),
            })
            .collect();
        let sent = status(
            Reason::FieldInvalid,
            "bad",
            Details {
                faults,
                ..Details::default()
            },
        );
        assert!(
            sent.details().len() < 8 * 1024,
            "{} bytes of details",
            sent.details().len()
        );
    }

    #[tokio::test]
    async fn a_connection_that_is_not_made_is_told_plainly_and_its_request_was_not_sent() {
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .unwrap()
            .port();
        for (address, cause) in [
            (format!("127.0.0.1:{port}"), "connection refused"),
            ("no-such-host.invalid:1".to_owned(), "the name does not resolve: "),
        ] {
            let channel = crate::channel::open(&address.parse().unwrap()).unwrap();
            let mut service = crate::v1::admin_service_client::AdminServiceClient::new(channel);
            let status = service.get_server_info(crate::v1::GetServerInfoRequest {}).await;
            let failure = Failure::of(&status.unwrap_err());
            assert!(
                matches!(failure, Failure::Lost { unsent: true, .. }),
                "{failure:?}"
            );
            assert!(failure.plain_cause().starts_with(cause), "{failure:?}");
        }
    }

    #[test]
    fn a_bare_status_is_a_lost_answer() {
        let failure = Failure::of(&Status::unknown("h2 protocol error"));
        assert!(matches!(failure, Failure::Lost { .. }));
        assert!(failure.is_transient());
    }
}
