//! Refusals ⇄ [`tonic::Status`]: the only place that knows how refusals travel over gRPC, and the failure of a call.
//!
//! A refusal is a canonical code plus `google.rpc.ErrorInfo` with the domain
//! `swarm` and a stable reason. A status without it comes from the transport.

mod cause;

use std::{collections::BTreeMap, time::Duration};

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::{
    reason::Reason,
    refusal::{Details, FieldFault},
    terminal::one_line,
};

/// `google.rpc.ErrorInfo.domain` of every status that Swarm sends.
pub const DOMAIN: &str = "swarm";

/// The schema of what a status carries, for tools that read it by reflection.
pub use tonic_types::pb::FILE_DESCRIPTOR_SET as DETAILS_DESCRIPTOR_SET;

/// Bytes of the faults in a status. Clients refuse trailers of more than 16 KiB, and the details stay far below.
const MAX_DETAILS_BYTES: usize = 6 * 1024;

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

/// Why a call failed, by what its caller can do about it.
#[derive(Clone, Debug)]
pub enum CallFailure {
    /// The coordinator decided against the request.
    Refused {
        /// The reason; `None` when it is newer than this program.
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
    /// The transport failed. Whether the request was carried out is unknown.
    Lost {
        /// The code that the transport made up.
        code: Code,
        /// The whole source chain, for people.
        message: String,
        /// The request was never sent: the name does not resolve, or nothing at the address takes a connection.
        unsent: bool,
    },
}

impl CallFailure {
    /// Reads a status.
    pub fn of(status: &Status) -> CallFailure {
        let carried = status.get_error_details();
        match carried.error_info() {
            Some(info) if info.domain == DOMAIN => CallFailure::Refused {
                reason: Reason::parse(&info.reason),
                word: one_line(&info.reason),
                message: one_line(status.message()),
                faults: carried.bad_request().map_or_else(Vec::new, |bad| {
                    bad.field_violations
                        .iter()
                        .map(|fault| FieldFault {
                            field: one_line(&fault.field),
                            description: one_line(&fault.description),
                        })
                        .collect()
                }),
                retry_after: carried.retry_info().and_then(|info| info.retry_delay),
                metadata: info
                    .metadata
                    .iter()
                    .map(|(key, value)| (key.clone(), one_line(value)))
                    .collect(),
                code: status.code(),
            },
            _ => CallFailure::Lost {
                code: status.code(),
                message: one_line(&cause::chain(status)),
                unsent: cause::is_unsent(status),
            },
        }
    }

    /// Whether the same request may be sent again.
    pub fn is_transient(&self) -> bool {
        match self {
            CallFailure::Refused {
                code: Code::Unavailable,
                ..
            } => true,
            CallFailure::Refused {
                code: Code::ResourceExhausted,
                retry_after,
                ..
            } => retry_after.is_some(),
            CallFailure::Refused { .. } => false,
            // The server answered that it knows no such method or cannot read the message: a repeat changes nothing.
            CallFailure::Lost {
                code: Code::Unimplemented | Code::OutOfRange | Code::InvalidArgument,
                ..
            } => false,
            CallFailure::Lost { .. } => true,
        }
    }

    /// The reason, when the coordinator gave one that this program knows.
    pub fn reason(&self) -> Option<Reason> {
        match self {
            CallFailure::Refused { reason, .. } => *reason,
            CallFailure::Lost { .. } => None,
        }
    }

    /// What happened, for people.
    pub fn message(&self) -> &str {
        match self {
            CallFailure::Refused { message, .. } | CallFailure::Lost { message, .. } => message,
        }
    }

    /// The cause in a few plain words that end a sentence: `the connection broke`. A refusal gives its message.
    pub fn plain_cause(&self) -> String {
        match self {
            CallFailure::Refused { message, .. } => message.clone(),
            CallFailure::Lost { message, .. } => cause::plain(message),
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
        let CallFailure::Refused {
            reason,
            faults,
            retry_after,
            metadata,
            ..
        } = CallFailure::of(&sent)
        else {
            panic!("read as lost");
        };
        assert_eq!(reason, Some(Reason::Busy));
        assert_eq!(faults[0].field, "tasks");
        assert_eq!(retry_after, Some(Duration::from_secs(2)));
        assert_eq!(metadata["oldest_seq"], "7");
        assert!(CallFailure::of(&sent).is_transient());
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
            let failure = CallFailure::of(&status.unwrap_err());
            assert!(
                matches!(failure, CallFailure::Lost { unsent: true, .. }),
                "{failure:?}"
            );
            assert!(failure.plain_cause().starts_with(cause), "{failure:?}");
        }
    }

    #[test]
    fn a_bare_status_is_a_lost_answer() {
        let failure = CallFailure::of(&Status::unknown("h2 protocol error"));
        assert!(matches!(failure, CallFailure::Lost { .. }));
        assert!(failure.is_transient());
    }
}
